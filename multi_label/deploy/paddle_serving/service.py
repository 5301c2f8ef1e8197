"""Serve a multi-label model by Paddle Serving's pipeline: RPC, and HTTP through its gateway.

python multi_label/deploy/paddle_serving/service.py --model_path ./export

Ctrl-C or SIGTERM to this process stops it, gateway included.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, warn
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import SEQUENCE_LENGTH, in_range
from ernie_toolkit.inference.packages import packages_of
from ernie_toolkit.paddle_serving.model import open_predictor
from ernie_toolkit.paddle_serving.options import PORTS, REQUIREMENTS, UNPRIVILEGED_PORT, check_port, read_config


def leave(number: int, frame: FrameType | None) -> None:
    """End as a program that is done: what was started ends too."""
    raise SystemExit(0)


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = OneLineParser(prog="service.py", description=__doc__)
    here = Path(__file__).resolve().parent
    parser.add_argument(
        "--config", type=path_text, default=str(here / "config.yml"), help="(default: config.yml beside this script)"
    )
    parser.add_argument("--model_path", type=path_text, help="bundle (default: the configuration's)")
    for name in PORTS:
        parser.add_argument(f"--{name}", type=in_range(int, UNPRIVILEGED_PORT), help="(default: the configuration's)")
    parser.add_argument(
        "--max_seq_length", type=in_range(int, SEQUENCE_LENGTH), help="at most the bundle's own, which is the default"
    )
    parser.add_argument(
        "--log_dir", type=path_text, default="log", help="for Paddle Serving's own logs (default: %(default)s)"
    )
    parser.add_argument(
        "--no_verify", action="store_true", help="do not compare the checksums of the bundle's files when it is opened"
    )
    add_guide_flags(parser, "multi_label/deploy/paddle_serving/service.py")
    return parser


def main(argv: Sequence[str]) -> None:
    """Parse arguments, open the model, serve."""
    parser = build_parser()
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = read_config(Path(args.config), args.model_path, args.rpc_port, args.http_port)
        if args.no_verify:
            options = dataclasses.replace(options, verify=False)
        for name in PORTS:
            check_port(options.pipeline[name], f"--{name}")
        predictor = open_predictor(options, args.max_seq_length)
        # Paddle Serving reads these when it is imported, and writes into the working directory without them.
        Path(args.log_dir).mkdir(parents=True, exist_ok=True)
        os.environ["SERVING_LOG_PATH"] = os.environ["SERVING_HOME"] = str(Path(args.log_dir).resolve())
        with packages_of(REQUIREMENTS):
            from ernie_toolkit.paddle_serving.pipeline import serve

        # Its operators report every request otherwise, and its files may grow to 15 GB.
        logging.getLogger("paddle_serving_server").setLevel(logging.WARNING)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, leave)
        warn(*predictor.bundle.info.warnings)
        serve(predictor, options)


if __name__ == "__main__":
    main(sys.argv[1:])
