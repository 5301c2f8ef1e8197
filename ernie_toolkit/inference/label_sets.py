"""A multi-label bundle as multi_label/deploy/predictor uses it: find it, show its answers, measure it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ernie_toolkit.arguments.options import device_of
from ernie_toolkit.bundle import Bundle, read_bundle
from ernie_toolkit.console import OneLineParser, print_line, warn, with_flags
from ernie_toolkit.data.inputs import InputRow, texts_to_predict, with_answers
from ernie_toolkit.data.label_sets import LABEL_FILE, UNLABELLED_FILE, load_label_sets, read_label_list
from ernie_toolkit.data.registry import Split
from ernie_toolkit.decoding import LabelSetAnswer
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import BATCH_SIZE, DEVICE_NUMBER, SEQUENCE_LENGTH, SHARE, THREADS, in_range
from ernie_toolkit.inference.console import add_reading_arguments
from ernie_toolkit.inference.engine_arguments import add_engine_arguments
from ernie_toolkit.inference.engines.base import AUTO
from ernie_toolkit.inference.predictor import Predictor
from ernie_toolkit.tasks import MultiLabelClassification
from ernie_toolkit.text.features import TextInput

SINGLE_TEXTS = 100  # asked one by one, to see how long one text takes
MEASURED_SECONDS = 1.0  # all texts are predicted again until that much time is measured


def build_parser(prog: str, description: str | None) -> OneLineParser:
    """The arguments of infer.py, named as PaddleNLP's guide names them.

    Args:
        prog: The script's name.
        description: What the script is, for its help.
    """
    parser = OneLineParser(prog=prog, description=description)
    parser.add_argument(
        "--model_path_prefix",
        type=path_text,
        default="export/float32",
        help="DIR/float32 of the bundle in DIR, or DIR itself (default: %(default)s)",
    )
    parser.add_argument(
        "--device", default="cpu", type=device_of("cpu", "gpu"), help="cpu, gpu, gpu:1 (default: %(default)s)"
    )
    parser.add_argument(
        "--device_id", type=in_range(int, DEVICE_NUMBER), default=0, help="which GPU (default: %(default)s)"
    )
    parser.add_argument(
        "--max_seq_length", type=in_range(int, SEQUENCE_LENGTH), help="at most the bundle's own, which is the default"
    )
    parser.add_argument("--batch_size", type=in_range(int, BATCH_SIZE), default=32, help="(default: %(default)s)")
    parser.add_argument(
        "--num_threads", type=in_range(int, THREADS), help="of the CPU (default: the processors this process may use)"
    )
    add_engine_arguments(parser)
    parser.add_argument("--use_quantize", action="store_true", help="as --precision_mode int8; CPU only")
    parser.add_argument("--use_fp16", action="store_true", help="as --precision_mode fp16; GPU only")
    parser.add_argument(
        "--threshold",
        type=in_range(float, SHARE),
        help="probability that a label has to be above (default: the bundle's thresholds)",
    )
    parser.add_argument(
        "--dataset_dir", type=path_text, help=f"directory with {UNLABELLED_FILE}; built-in texts without it"
    )
    add_reading_arguments(parser)
    parser.add_argument(
        "--label_file", type=path_text, default=LABEL_FILE, help="its label file (default: %(default)s)"
    )
    parser.add_argument("--perf", action="store_true", help="print speed and F1 on a labelled file of --dataset_dir")
    parser.add_argument("--perf_dataset", default="dev", choices=("dev", "test"), help="(default: %(default)s)")
    parser.add_argument(
        "--no_verify", action="store_true", help="do not compare the checksums of the bundle's files when it is opened"
    )
    return parser


def precision_of(args: argparse.Namespace) -> str:
    """The precision that the arguments ask for; a switch for the other device is left out with a warning.

    Raises:
        ConfigError: Where they ask for two.
    """
    if args.use_quantize and args.device == "gpu":
        warn("--use_quantize is for the CPU: left out (--use_fp16 is for the GPU)")
    if args.use_fp16 and args.device == "cpu":
        warn("--use_fp16 is for the GPU: left out (--use_quantize is for the CPU)")
    switched = "int8" if args.use_quantize and args.device == "cpu" else ""
    switched = "fp16" if args.use_fp16 and args.device == "gpu" else switched
    if switched and args.precision_mode not in (AUTO, switched):
        raise ConfigError(
            f"--precision_mode {args.precision_mode} and a switch for {switched} exclude each other: give one of them"
        )
    return switched or args.precision_mode


def find_bundle(model_path_prefix: str, verify: bool = True) -> Bundle:
    """The bundle in DIR of `DIR/float32`, or in the directory that is named itself.

    Args:
        model_path_prefix: The path.
        verify: Whether the checksums of its files are compared.

    Raises:
        BundleError: Where there is none.
        ConfigError: Where it is one for another task.
    """
    path = Path(model_path_prefix)
    bundle = read_bundle(path if path.is_dir() else path.parent, verify)
    if bundle.info.task != MultiLabelClassification.name:
        raise ConfigError(
            f"{bundle.directory} is a bundle for the task '{bundle.info.task}': "
            "multi_label/export_model.py exports multi-label models"
        )
    return bundle


def check_labels(bundle: Bundle, labels: Sequence[str], where: Path) -> None:
    """Check that a data directory has the labels of the model, in its order.

    Args:
        bundle: The model's bundle.
        labels: Those of the data directory, in its order.
        where: The label file, which the error names.

    Raises:
        ConfigError: Where it has others, or the same in another order.
    """
    if tuple(labels) != bundle.info.labels:
        raise ConfigError(
            f"{where} lists {len(labels)} labels ({', '.join(labels[:3])} ...), the model has "
            f"{len(bundle.info.labels)} ({', '.join(bundle.info.labels[:3])} ...): give the data it was trained on"
        )


def check_label_file(bundle: Bundle, path: Path, encoding: str = "utf-8") -> None:
    """Check that a label file has the labels of the model, in its order.

    Args:
        bundle: The model's bundle.
        path: The label file.
        encoding: One of `data.file_options.ENCODINGS`.

    Raises:
        ConfigError: As `check_labels`.
        DataError: Where the file cannot be read.
    """
    check_labels(bundle, read_label_list(path, encoding), path)


def show(predictor: Predictor, rows: Sequence[InputRow], batch_size: int) -> None:
    """Predict and print the labels of each text, and the reason of each row that has none.

    Args:
        predictor: Of a multi-label bundle.
        rows: The rows that were read.
        batch_size: Texts that are computed at once.
    """
    for row, answer in with_answers(rows, predictor.predict(texts_to_predict(rows), batch_size)):
        if isinstance(answer, LabelSetAnswer):
            print_line(f"input data: {row.text}")
            print_line(f"label: {', '.join(answer.names or ())}")
        else:
            print_line("input data: (none)")
            print_line(f"no answer: {with_flags(row.reason)}")
        print_line("-" * 28)


def evaluate(
    predictor: Predictor, directory: Path, split: Split, label_file: str, batch_size: int, encoding: str = "utf-8"
) -> None:
    """Print F1 of a labelled file, how many texts a second are predicted, and how long one alone takes.

    Args:
        predictor: Of a multi-label bundle.
        directory: The data directory.
        split: The split whose file is read.
        label_file: The name of the file of labels.
        batch_size: Texts that are computed at once.
        encoding: One of `data.file_options.ENCODINGS`.

    Raises:
        DataError: As `load_label_sets`.
        ConfigError: As `check_labels`.
    """
    data = load_label_sets(directory, (split,), label_file=label_file, encoding=encoding)
    for message in data.notices:
        warn(message)
    check_labels(predictor.bundle, data.spec.labels, directory / label_file)
    examples, task = data.split(split), predictor.task
    texts = task.inputs(examples)
    rows = task.encode(predictor.tokenizer, texts)
    scores = task.score(rows, predictor.run(rows, batch_size), examples)  # the sessions' buffers are there after this
    rounds = [_seconds(predictor, texts, batch_size)]
    while sum(rounds) < MEASURED_SECONDS:
        rounds.append(_seconds(predictor, texts, batch_size))
    seconds = float(np.median(rounds))
    alone = np.array([_seconds(predictor, [text], 1) for text in texts[:SINGLE_TEXTS]])
    shown = (f"{name.replace('_', ' ')} {100 * scores[name]:.2f}" for name in ("micro_f1", "macro_f1", "accuracy"))
    print_line(f"{split} of {directory}: {', '.join(shown)}")
    print(
        f"sample nums: {len(texts)}, batch size: {batch_size}, time: {seconds:.3f} s, latency: "
        f"{1000 * seconds / len(texts):.2f} ms, throughput: {len(texts) / seconds:.1f} texts/s"
    )
    print(
        f"one text at a time: median {1000 * np.median(alone):.2f} ms, "
        f"95th percentile {1000 * np.percentile(alone, 95):.2f} ms"
    )


def _seconds(predictor: Predictor, texts: Sequence[TextInput], batch_size: int) -> float:
    started = time.perf_counter()
    predictor.predict(texts, batch_size)
    return time.perf_counter() - started
