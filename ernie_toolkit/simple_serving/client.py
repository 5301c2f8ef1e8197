"""A client of the service with nothing but the standard library, and the arguments of the client scripts."""

import argparse
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.arguments.options import dataset_name
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.errors import ConfigError, ToolkitError
from ernie_toolkit.files.parsing import decode_json
from ernie_toolkit.files.paths import path_text, utf8_text
from ernie_toolkit.formats.ranges import BATCH_SIZE, SEQUENCE_LENGTH, Range, in_range
from ernie_toolkit.simple_serving.cli import PORT
from ernie_toolkit.simple_serving.options import KEY_VARIABLE
from ernie_toolkit.tasks import TASKS

# The connection failed or the server is full or stopping: the same request may be answered next time.
RETRY_STATUSES = (502, 503, 504)
PAUSE = 0.5  # seconds before the first retry; each further one waits twice as long, up to PAUSE_LIMIT
PAUSE_LIMIT = 8.0
ROWS = 8  # of a data set, sent at once


class ServerError(ToolkitError):
    """A server that gave no answer, or said why not."""


class AwayError(Exception):
    """No server answered, or one that said "later": the same request may be answered next time.

    Args:
        reason: What happened, in one line.
        pause: Seconds to wait, as the server says.
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


def post(
    url: str,
    data: Mapping[str, Any],
    parameters: Mapping[str, Any] | None = None,
    retries: int = 5,
    timeout: float = 60.0,
    on_retry: Callable[[str], None] = lambda reason: None,
    api_key: str | None = None,
) -> dict[str, Any]:
    """The `result` of a request; tried again where the server is full, stopping or not there.

    Args:
        url: The service's address.
        data: `data` of the request.
        parameters: `parameters` of the request; None: none.
        retries: How often it is tried again.
        timeout: Seconds that one try may take.
        on_retry: Is called with the reason before each further try.
        api_key: What the service asks for; None: none.

    Raises:
        ServerError: With the server's reason.
        ConfigError: Where `retries` is negative or the key has signs that a header cannot have.
    """
    if retries < 0:
        raise ConfigError(f"`retries` is {retries}: it must be at least 0")
    body = {"data": data} if parameters is None else {"data": data, "parameters": parameters}
    request = _request(url, json.dumps(body).encode())
    if api_key is not None:
        if not (api_key.isascii() and api_key.isprintable()):
            raise ConfigError("the API key has signs beside printable ASCII: check it")
        request.add_unredirected_header("Authorization", f"Bearer {api_key}")
    for attempt in range(retries):
        try:
            return _result(url, _answer(request, timeout))
        except AwayError as away:
            on_retry(str(away))
            time.sleep(max(min(PAUSE * 2**attempt, PAUSE_LIMIT), min(away.pause, PAUSE_LIMIT)))
    try:
        return _result(url, _answer(request, timeout))
    except AwayError as away:
        raise ServerError(str(away)) from None


def _request(url: str, body: bytes) -> urllib.request.Request:
    """A request to an address that can be one. Raises ServerError."""
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, half of an IPv6 address
        usable = False
    if not usable:
        raise ServerError(f"`url` {url}: no address of a server: give http://HOST:PORT/PATH")
    return urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")


def _answer(request: urllib.request.Request, timeout: float) -> bytes:
    """The body of an answer. Raises AwayError, or ServerError where to try again is of no use."""
    url = request.full_url
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            body: bytes = response.read()
            return body
    except urllib.error.HTTPError as error:
        reason = f"{url}: HTTP {error.code}: {_reason(error)}"
        if error.code not in RETRY_STATUSES:
            raise ServerError(reason) from None
        wished = error.headers.get("Retry-After", "")
        raise AwayError(reason, float(wished) if wished.isdecimal() else 0.0) from None
    except (http.client.InvalidURL, ValueError) as error:  # white space, letters that no address has
        raise ServerError(f"`url` {url}: no address of a server ({error}): give http://HOST:PORT/PATH") from None
    except (OSError, http.client.HTTPException) as error:  # a lost connection, a timeout, half of an answer
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise AwayError(f"{url}: {reason}: is the server running?") from None


def _result(url: str, body: bytes) -> dict[str, Any]:
    try:
        return dict(decode_json(body)["result"])
    except (ValueError, KeyError, TypeError):
        raise ServerError(f"{url}: the answer is not that of this service: check the address") from None


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(decode_json(error.read())["detail"])
    except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
        return str(error.reason)


def build_parser(task: str, description: str | None, dataset: str | None) -> argparse.ArgumentParser:
    """The arguments of a client script; those for texts are named as the request's fields.

    Args:
        task: The task's name, as in `TASKS`.
        description: What the script is, for its help.
        dataset: The one that `--dataset` alone means; None for a task without known data sets.
    """
    kind = TASKS[task]
    parser = OneLineParser(prog=Path(sys.argv[0]).name, description=description)
    parser.add_argument(
        "--url", type=utf8_text, default=f"http://127.0.0.1:{PORT}/{kind.service_path}", help="(default: %(default)s)"
    )
    for name in kind.text_fields(kind.default_text_format):
        parser.add_argument(f"--{name}", nargs="+", help="(default: built-in examples)")
    if dataset:
        parser.add_argument(
            "--dataset",
            nargs="?",
            const=dataset,
            type=dataset_name,
            help=f"send the first {ROWS} dev rows of this data set ({dataset})",
        )
        parser.add_argument(
            "--data_dir", type=path_text, help="folder of the data set's official files; without it the embedded sample"
        )
    parser.add_argument("--max_seq_len", type=in_range(int, SEQUENCE_LENGTH), help="(default: the model's own)")
    parser.add_argument("--batch_size", type=in_range(int, BATCH_SIZE), help="(default: the server decides)")
    for parameter in kind.request_parameters:
        parser.add_argument(
            f"--{parameter.name}",
            type=in_range(parameter.kind, parameter.allowed),
            help=f"{parameter.text} (default: the model's own)",
        )
    if kind.accepts_words:
        parser.add_argument("--is_split_into_words", action="store_true", help="send lists of characters")
    parser.add_argument("--api_key", help=f"what the server asks for; better in ${KEY_VARIABLE}")
    parser.add_argument(
        "--retries",
        type=in_range(int, Range(0, 1000)),
        default=5,
        help="where the server is full or away (%(default)s)",
    )
    return parser


def data_of(task: str, args: argparse.Namespace) -> dict[str, Any]:
    """The `data` of a request: a data set's rows, the command line's texts, or built-in examples.

    Args:
        task: The task's name, as in `TASKS`.
        args: Of `build_parser`.

    Raises:
        ConfigError: Where both a data set and texts are given.
    """
    kind = TASKS[task]
    names = kind.text_fields(kind.default_text_format)
    given = {name: getattr(args, name) for name in names if getattr(args, name)}
    dataset = getattr(args, "dataset", None)
    if given and dataset:
        raise ConfigError(f"--{next(iter(given))} and --dataset exclude each other: give one of them")
    if dataset:
        inputs = _rows_of(task, dataset, args.data_dir)
    elif given:
        return given
    else:
        inputs = kind.examples_for(kind.default_text_format)
    columns = [kind.request_values(item) for item in inputs]
    return {name: list(column) for name, column in zip(names, zip(*columns, strict=True), strict=False)}


def _rows_of(task: str, dataset: str, data_dir: str | None) -> Sequence[Any]:
    from ernie_toolkit.data import load_dataset
    from ernie_toolkit.text.features import texts_of

    data = load_dataset(
        dataset,
        task=task,
        data_dir=data_dir,
        data_source="auto" if data_dir else "sample",
        splits=("dev",),
        limits={"dev": ROWS},
    )
    return [texts_of(example, data.spec.text_format) for example in data.split("dev")]


def main(
    task: str,
    description: str | None,
    dataset: str | None,
    show: Callable[[Mapping[str, Any], Mapping[str, Any]], None],
    argv: Sequence[str] | None = None,
) -> None:
    """Send one request and show its data and its result.

    Args:
        task: The task's name, as in `TASKS`.
        description: What the script is, for its help.
        dataset: See `build_parser`.
        show: Prints the data and the result.
        argv: The arguments; None: those of the command line.
    """
    parser = build_parser(task, description, dataset)
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        data, known = data_of(task, args), TASKS[task].request_parameters
        parameters = {
            name: value
            for name in ("max_seq_len", "batch_size", "is_split_into_words", *(item.name for item in known))
            if (value := getattr(args, name, None)) is not None and value is not False
        }
        sent = {**data, "text": [list(text) for text in data["text"]]} if "is_split_into_words" in parameters else data
        key = os.environ.get(KEY_VARIABLE) if args.api_key is None else args.api_key
        show(data, post(args.url, sent, parameters or None, args.retries, api_key=key))
