"""The server's log: uvicorn's, with whatever a client has sent on one line and without control characters.

The line of an answer ends with the engine and the precision that it was computed in.
"""

import copy
import logging
from http import HTTPStatus
from typing import Any

from uvicorn.config import LOGGING_CONFIG
from uvicorn.logging import AccessFormatter, DefaultFormatter

from ernie_toolkit.formats.escapes import EscapingFormatter


class ServerFormatter(EscapingFormatter, DefaultFormatter):
    """Of the server's own lines."""


class ComputedBy(logging.Filter):
    """Marks the records of answers with what has computed them; lets all records pass.

    Args:
        path: Where answers are asked for.
        computed_by: The engine and the precision.
    """

    def __init__(self, path: str, computed_by: str) -> None:
        super().__init__()
        self._path, self._computed_by = path, computed_by

    def filter(self, record: logging.LogRecord) -> bool:
        """Mark a record of uvicorn's, whose arguments are client, method, path with query, version and status."""
        _, _, asked, _, status = record.args if isinstance(record.args, tuple) else ("",) * 5
        if str(asked).partition("?")[0] == self._path and status == HTTPStatus.OK:
            record.computed_by = self._computed_by
        return True


class RequestFormatter(EscapingFormatter, AccessFormatter):
    """Of a line for each request."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, with what `ComputedBy` has marked it with."""
        return " ".join(filter(None, (super().formatMessage(record), getattr(record, "computed_by", ""))))


def log_config() -> dict[str, Any]:
    """Uvicorn's configuration of logging with these formatters, without colours."""
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    for name, formatter in (("default", ServerFormatter), ("access", RequestFormatter)):
        config["formatters"][name] |= {"()": formatter, "use_colors": False}
    return config
