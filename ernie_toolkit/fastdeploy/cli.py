"""What the scripts of deploy/python share: arguments, opening the bundle, the answers' report."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.options import boolean, device_of
from ernie_toolkit.bundle import Bundle, BundleInfo, read_bundle
from ernie_toolkit.console import OneLineParser, print_line
from ernie_toolkit.data.inputs import InputRow, with_answers
from ernie_toolkit.decoding import Answer
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.fastdeploy.runtime import BACKENDS, DEVICES, RuntimeSettings
from ernie_toolkit.files import write_text
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import BATCH_SIZE, SEQUENCE_LENGTH, THREADS, in_range
from ernie_toolkit.inference.console import add_input_arguments, output_lines, show_skipped, warn_of
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.text.features import TextInput


def build_parser(prog: str, description: str | None, task: str) -> OneLineParser:
    """The guide's arguments, and those for texts.

    Args:
        prog: The script's name.
        description: What the script is, for its help.
        task: The task's name, as in `TASKS`.
    """
    parser = OneLineParser(prog=prog, description=description)
    parser.add_argument(
        "--model_dir", type=path_text, default=TASKS[task].model_path, help="bundle (default: %(default)s)"
    )
    parser.add_argument(
        "--model_prefix",
        default="model",
        choices=("model", "model_int8", "int8"),
        help="model: FP32; model_int8 or int8: the bundle's INT8 model, not for paddle (default: %(default)s)",
    )
    parser.add_argument(
        "--device", default="cpu", type=device_of(*DEVICES), help=f"{', '.join(DEVICES)}, gpu:1 (default: %(default)s)"
    )
    parser.add_argument(
        "--backend",
        default="onnx_runtime",
        choices=BACKENDS,
        help="onnx_runtime reads every bundle; paddle and paddle_tensorrt read the old format, see README "
        "(default: %(default)s)",
    )
    parser.add_argument("--batch_size", type=in_range(int, BATCH_SIZE), default=1, help="(default: %(default)s)")
    parser.add_argument(
        "--max_length", type=in_range(int, SEQUENCE_LENGTH), help="at most the bundle's own, which is the default"
    )
    parser.add_argument("--cpu_num_threads", type=in_range(int, THREADS), default=1, help="(default: %(default)s)")
    parser.add_argument("--use_fp16", type=boolean, default=False, help="with TensorRT only (default: false)")
    parser.add_argument("--use_fast", type=boolean, default=True, help="the tokenizer is always the fast one")
    parser.add_argument(
        "--no_verify", action="store_true", help="do not compare the checksums of the bundle's files when it is opened"
    )
    add_input_arguments(parser)
    add_guide_flags(parser, "deploy/python/seq_cls_infer.py")  # the guide's scripts all have the same
    return parser


def settings_of(args: argparse.Namespace) -> RuntimeSettings:
    """FastDeploy's settings as the arguments of `build_parser` give them."""
    int8 = args.model_prefix != "model"
    return RuntimeSettings(args.device, args.backend, int8, args.use_fp16, args.batch_size, args.cpu_num_threads)


def open_bundle(directory: str, task: str, verify: bool = True) -> Bundle:
    """The bundle of a directory, which has to be of one task.

    Args:
        directory: The bundle's directory.
        task: The task's name, as in `TASKS`.
        verify: Whether the checksums of its files are compared.

    Raises:
        BundleError: As `read_bundle`.
        ConfigError: Where it is one for another task.
    """
    bundle = read_bundle(directory, verify)
    if bundle.info.task != task:
        raise ConfigError(f"{directory} is a bundle for the task '{bundle.info.task}', this script's is '{task}'")
    return bundle


def report(
    rows: Sequence[InputRow],
    answers: Sequence[Answer],
    info: BundleInfo,
    output_file: str | None,
    show: Callable[[int, TextInput, Any], str],
) -> None:
    """Write the answers to a file, or print them; the bundle's warnings go to standard error.

    Args:
        rows: What was read.
        answers: One for each row that has a text.
        info: What the bundle says.
        output_file: Path for one JSON object a line; None prints.
        show: The lines to print for a row's number from 0, its text and its answer, which is of the script's own task.
    """
    if output_file:
        write_text(Path(output_file), output_lines(rows, answers, info.task))
    warn_of(rows, info)
    if output_file:
        print_line(f"{len(rows)} answers in {output_file}")
        return
    for number, (row, answer) in enumerate(with_answers(rows, answers)):
        print(show_skipped(row) if answer is None or row.text is None else show(number, row.text, answer))
