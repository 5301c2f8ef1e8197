"""A client of the service with nothing but the standard library, and the arguments of the client scripts."""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.cli import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.errors import ConfigError, ToolkitError
from ernie_toolkit.inference.console import EXAMPLES
from ernie_toolkit.serving.cli import PORT
from ernie_toolkit.serving.options import MODEL_NAMES

# The connection failed or the server is full or stopping: the same request may be answered next time.
RETRY_STATUSES = (502, 503, 504)
PAUSE = 0.5  # seconds before the first retry; each further one waits twice as long, up to PAUSE_LIMIT
PAUSE_LIMIT = 8.0
ROWS = 8  # of a data set, sent at once
FIELDS = {"seq_cls": ("text", "text_pair"), "qa": ("question", "context")}  # of `data`; of the other tasks `text`
EXAMPLES_OF = {"seq_cls": "pair", "token_cls": "characters", "qa": "question_context", "multi_label": "multi_label"}


class ServerError(ToolkitError):
    """A server that gave no answer, or said why not."""


def post(
    url: str,
    data: Mapping[str, Any],
    parameters: Mapping[str, Any] | None = None,
    retries: int = 5,
    timeout: float = 60.0,
) -> dict[str, Any]:
    """The `result` of a request. `timeout` in seconds. Tries again where the server is full, stopping or not there.

    Raises ServerError with the server's reason.
    """
    body = {"data": data} if parameters is None else {"data": data, "parameters": parameters}
    try:
        request = urllib.request.Request(
            url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
        )
    except ValueError as error:
        raise ServerError(f"--url {url}: {error}") from None
    for attempt in range(retries + 1):
        pause = min(PAUSE * 2**attempt, PAUSE_LIMIT)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return dict(json.load(response)["result"])
        except urllib.error.HTTPError as error:
            reason = f"{url}: HTTP {error.code}: {_reason(error)}"
            if error.code not in RETRY_STATUSES:
                raise ServerError(reason) from None
            wished = error.headers.get("Retry-After", "")
            pause = max(pause, min(float(wished), PAUSE_LIMIT)) if wished.isdecimal() else pause
        except OSError as error:  # URLError, a reset connection, a timeout
            reason = f"{url}: {getattr(error, 'reason', None) or error}: is the server running?"
        except (ValueError, KeyError, TypeError):
            raise ServerError(f"{url}: the answer is not that of this service: check the address") from None
        if attempt < retries:
            time.sleep(pause)
    raise ServerError(reason)


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        return str(error.reason)


def build_parser(task: str, description: str | None, dataset: str | None) -> argparse.ArgumentParser:
    """The arguments of a client script; those for texts are named as the request's fields.

    `dataset`: the one that `--dataset` alone means; None for a task without known data sets.
    """
    parser = OneLineParser(prog=Path(sys.argv[0]).name, description=description)
    parser.add_argument("--url", default=f"http://127.0.0.1:{PORT}/{MODEL_NAMES[task]}", help="(default: %(default)s)")
    for name in FIELDS.get(task, ("text",)):
        parser.add_argument(f"--{name}", nargs="+", help="(default: built-in examples)")
    if dataset:
        parser.add_argument(
            "--dataset", nargs="?", const=dataset, help=f"send the first {ROWS} dev rows of this data set ({dataset})"
        )
        parser.add_argument(
            "--data_dir", help="folder of the data set's official files; without it the embedded sample"
        )
    parser.add_argument("--max_seq_len", type=int, help="(default: the model's own)")
    parser.add_argument("--batch_size", type=int, help="(default: the server decides)")
    if task == "qa":
        parser.add_argument("--doc_stride", type=int, help="tokens that windows share (default: the model's own)")
    if task == "multi_label":
        parser.add_argument(
            "--prob_limit", type=float, help="probability that a label has to be above (default: the model's own)"
        )
    if task == "token_cls":
        parser.add_argument("--is_split_into_words", action="store_true", help="send lists of characters")
    parser.add_argument("--retries", type=int, default=5, help="where the server is full or away (%(default)s)")
    return parser


def data_of(task: str, args: argparse.Namespace) -> dict[str, Any]:
    """The `data` of a request: a data set's rows, the command line's texts, or built-in examples."""
    names = FIELDS.get(task, ("text",))
    given = {name: getattr(args, name) for name in names if getattr(args, name)}
    dataset = getattr(args, "dataset", None)
    if given and dataset:
        raise ConfigError(f"--{next(iter(given))} and --dataset exclude each other: give one of them")
    if dataset:
        inputs = _rows_of(task, dataset, args.data_dir)
    elif given:
        return given
    else:
        inputs = EXAMPLES[EXAMPLES_OF[task]]
    columns = [[item] if isinstance(item, str) else list(item) for item in inputs]
    return {name: list(column) for name, column in zip(names, zip(*columns, strict=True), strict=False)}


def _rows_of(task: str, dataset: str, data_dir: str | None) -> Sequence[Any]:
    from ernie_toolkit.data import load_dataset
    from ernie_toolkit.features import texts_of

    data = load_dataset(
        dataset, task=task, data_dir=data_dir, data_source="auto" if data_dir else "sample", splits=("dev",),
        limits={"dev": ROWS},
    )  # fmt: skip
    return [texts_of(example, data.spec.text_format) for example in data.split("dev")]


def main(
    task: str,
    description: str | None,
    dataset: str | None,
    show: Callable[[Mapping[str, Any], Mapping[str, Any]], None],
    argv: Sequence[str] | None = None,
) -> None:
    """Send one request and show its data and its result."""
    parser = build_parser(task, description, dataset)
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        data = data_of(task, args)
        parameters = {
            name: value
            for name in ("max_seq_len", "batch_size", "doc_stride", "is_split_into_words", "prob_limit")
            if (value := getattr(args, name, None)) is not None and value is not False
        }
        sent = {**data, "text": [list(text) for text in data["text"]]} if "is_split_into_words" in parameters else data
        show(data, post(args.url, sent, parameters or None, args.retries))
