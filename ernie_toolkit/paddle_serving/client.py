"""Clients of the pipeline service: over HTTP, and by RPC."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.files.parsing import decode_json
from ernie_toolkit.inference.packages import packages_of
from ernie_toolkit.paddle_serving.options import REQUIREMENTS
from ernie_toolkit.paddle_serving.wire import ServiceError, parse_answer, request_columns


def ask_http(url: str, texts: Sequence[str], prob_limit: float | None) -> list[dict[str, Any]]:
    """The labels of each text, asked through the service's HTTP gateway.

    Args:
        url: Of the service's operator, "http://HOST:PORT/seq_cls/prediction".
        texts: At most as many as the service's `max_texts`.
        prob_limit: Probability that a label has to be above; None: the service's own.

    Returns:
        A mapping for each text (see `wire.parse_answer`).

    Raises:
        ServiceError: With the service's reason, and where it cannot be reached.
    """
    columns = request_columns(texts, prob_limit)
    body = json.dumps({"key": list(columns), "value": list(columns.values())}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as response:
            answer = decode_json(response.read())
        return parse_answer(answer["err_no"], answer["err_msg"], dict(strict_zip(answer["key"], answer["value"])))
    except OSError as error:
        raise ServiceError(f"{url}: {getattr(error, 'reason', None) or error}: is the service running?") from None
    except (ValueError, KeyError, TypeError):
        raise ServiceError(f"{url}: the answer is not that of this service: check the address") from None


def ask_rpc(address: str, texts: Sequence[str], prob_limit: float | None) -> list[dict[str, Any]]:
    """The labels of each text, asked by RPC with Paddle Serving's own client, which is imported here.

    Args:
        address: "HOST:PORT".
        texts: See `ask_http`.
        prob_limit: See `ask_http`.

    Returns:
        A mapping for each text (see `wire.parse_answer`).

    Raises:
        ServiceError: With the service's reason, and where it cannot be reached.
    """
    # The package writes logs and a file into these when it is imported, and prints times when it is asked.
    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(io.StringIO()):
        os.environ["SERVING_LOG_PATH"] = os.environ["SERVING_HOME"] = directory
        with packages_of(REQUIREMENTS):
            import grpc
            from paddle_serving_server.pipeline import PipelineClient

        client = PipelineClient()
        client.connect([address])
        try:
            answer = client.predict({**request_columns(texts, prob_limit), "clientip": ""})
        except grpc.RpcError as error:
            raise ServiceError(f"{address}: {error.details()}: is the service running?") from None
    return parse_answer(answer.err_no, answer.err_msg, dict(strict_zip(answer.key, answer.value)))
