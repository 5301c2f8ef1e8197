"""The arguments of a server script, and its `app` for those who start uvicorn themselves."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.files.paths import path_text, utf8_text
from ernie_toolkit.formats.ranges import PORT as PORT_NUMBER
from ernie_toolkit.formats.ranges import THREADS, in_range
from ernie_toolkit.inference.engine_arguments import add_engine_arguments
from ernie_toolkit.inference.packages import packages_of
from ernie_toolkit.simple_serving.options import HOST, KEY_VARIABLE, RANGES, ServingOptions
from ernie_toolkit.tasks import TASKS

ARGUMENTS_VARIABLE = "ERNIE_SERVING_ARGS"
PORT = 8189  # SimpleServing's
REQUIREMENTS = "deploy/simple_serving/requirements.txt"
# Options of a service that are numbers: what each counts.
NUMBERS: dict[str, tuple[type, str]] = {
    "max_batch_size": (int, "rows of a batch"),
    "max_batch_tokens": (int, "tokens of a batch of several rows"),
    "max_wait_ms": (float, "how long a request waits for others to share its batch, while one is computed"),
    "queue_size": (int, "requests a worker holds; one more is answered 503"),
    "max_texts": (int, "texts of a request"),
    "max_rows": (int, "windows that the texts of a request make"),
    "max_body_bytes": (int, "bytes of a request's body"),
    "max_pending_bytes": (int, "bytes of the bodies of all requests not answered yet; beyond, 503"),
    "header_timeout": (float, "seconds in which a request's header must arrive"),
    "body_timeout": (float, "seconds in which a request's body must arrive"),
    "write_timeout": (float, "seconds in which a client must take its answer"),
    "keep_alive_timeout": (float, "seconds that a connection may be idle after an answer"),
    "stop_timeout": (int, "seconds that requests taken may still need when the server is told to stop"),
}


def build_parser(task: str, description: str | None) -> argparse.ArgumentParser:
    """The arguments of the server of one task.

    Args:
        task: The task's name, as in `TASKS`.
        description: What the script is, for its help.
    """
    default = ServingOptions(task, TASKS[task].model_path)
    parser = OneLineParser(prog=Path(sys.argv[0]).name, description=description)
    parser.add_argument(
        "--model_path", type=path_text, default=default.model_path, help="bundle (default: %(default)s)"
    )
    parser.add_argument("--host", type=utf8_text, default=HOST, help="0.0.0.0 for all addresses (default: %(default)s)")
    parser.add_argument(
        "--port", type=in_range(int, PORT_NUMBER), default=PORT, help="0 takes a free one (default: %(default)s)"
    )
    add_engine_arguments(parser)
    parser.add_argument(
        "--num_threads",
        type=in_range(int, THREADS),
        help="batches each worker computes at once, a thread for each (default: processors divided by workers)",
    )
    parser.add_argument(
        "--workers", type=in_range(int, THREADS), default=default.workers, help="processes (default: %(default)s)"
    )
    for name, (kind, meaning) in NUMBERS.items():
        parser.add_argument(
            f"--{name}",
            type=in_range(kind, RANGES[name]),
            default=getattr(default, name),
            help=f"{meaning} (%(default)s)",
        )
    parser.add_argument(
        "--max_connections",
        type=in_range(int, RANGES["max_connections"]),
        help="connections of each worker (default: 1000, or as `ulimit -n` allows)",
    )
    parser.add_argument(
        "--no_verify", action="store_true", help="do not compare the checksums of the bundle's files when it is opened"
    )
    parser.add_argument(
        "--allowed_hosts",
        nargs="+",
        default=(),
        metavar="NAME",
        help="names that a request's Host may have; *.example.com for all below (default: any)",
    )
    parser.add_argument(
        "--api_key",
        help=f"what requests have to show; better in ${KEY_VARIABLE}, since arguments can be seen by others",
    )
    parser.add_argument("--access_log", action="store_true", help="a line for each request")
    add_guide_flags(parser, "deploy/simple_serving/server_seq_cls.py")  # all servers have the same
    return parser


def options_of(task: str, args: argparse.Namespace) -> ServingOptions:
    """A service's settings as the arguments say.

    Args:
        task: The task's name, as in `TASKS`.
        args: Of `build_parser`.

    Raises:
        ConfigError: On settings that do not go together.
    """
    settings: dict[str, Any] = dict(vars(args))
    for name in ("host", "port", "access_log"):
        del settings[name]
    settings["verify"] = not settings.pop("no_verify")
    settings["allowed_hosts"] = tuple(args.allowed_hosts)
    settings["api_key"] = os.environ.get(KEY_VARIABLE) if args.api_key is None else args.api_key
    return ServingOptions(task, precision=settings.pop("precision_mode"), **settings)


def main(task: str, description: str | None, argv: Sequence[str] | None = None) -> None:
    """Parse arguments and serve.

    Args:
        task: The task's name, as in `TASKS`.
        description: What the script is, for its help.
        argv: The arguments; None: those of the command line.
    """
    parser = build_parser(task, description)
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = options_of(task, args)
        with packages_of(REQUIREMENTS):
            from ernie_toolkit.simple_serving.launch import serve
        serve(options, args.host, args.port, args.access_log)


def lazy_app(task: str, name: str) -> Any:
    """`app` of a server script, made when it is asked for; the script's arguments are read from $ERNIE_SERVING_ARGS.

    For `uvicorn server_seq_cls:app`.

    Args:
        task: The task's name, as in `TASKS`.
        name: The attribute that is asked for.

    Raises:
        AttributeError: On another name than "app", as a module does.
    """
    if name != "app":
        raise AttributeError(f"module for {TASKS[task].service_path} has no attribute {name!r}")
    parser = build_parser(task, None)
    args = parser.parse_args(shlex.split(os.environ.get(ARGUMENTS_VARIABLE, "")))
    with exit_on_toolkit_error(parser.prog):
        with packages_of(REQUIREMENTS):
            from ernie_toolkit.simple_serving.app import create_app
        return create_app(options_of(task, args))
