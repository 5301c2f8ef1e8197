"""The server's log: uvicorn's, with whatever a client has sent on one line and without control characters."""

import copy
from typing import Any

from uvicorn.config import LOGGING_CONFIG
from uvicorn.logging import AccessFormatter, DefaultFormatter

from ernie_toolkit.formats.escapes import EscapingFormatter


class ServerFormatter(EscapingFormatter, DefaultFormatter):
    """Of the server's own lines."""


class RequestFormatter(EscapingFormatter, AccessFormatter):
    """Of a line for each request."""


def log_config() -> dict[str, Any]:
    """Uvicorn's configuration of logging with these formatters, without colours."""
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    for name, formatter in (("default", ServerFormatter), ("access", RequestFormatter)):
        config["formatters"][name] |= {"()": formatter, "use_colors": False}
    return config
