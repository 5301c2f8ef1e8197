"""The arguments by which scripts choose an engine and a precision."""

from __future__ import annotations

import argparse

from ernie_toolkit.files.paths import path_text
from ernie_toolkit.inference.engines.base import AUTO, ENGINES, PRECISIONS


def add_engine_arguments(parser: argparse.ArgumentParser, engine: str = AUTO) -> None:
    """Add `--engine`, `--precision_mode` and `--engine_cache` to a script that predicts on the CPU.

    Args:
        parser: The script's.
        engine: The engine that it takes where none is asked for.
    """
    parser.add_argument(
        "--engine",
        default=engine,
        choices=(AUTO, *ENGINES),
        help="what computes; auto: what the bundle recommends, where it is installed, else the first that is installed "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--precision_mode",
        default=AUTO,
        choices=(AUTO, *PRECISIONS),
        help="auto: what the bundle recommends for this processor, else fp32 (default: auto)",
    )
    parser.add_argument(
        "--engine_cache",
        type=path_text,
        help="directory in which openvino keeps compiled models for the next start, or none "
        "(default: in the bundle, or in the user's cache directory where that cannot be written)",
    )
