"""What the scripts of deploy/predictor share: arguments, bundle, a GPU's shapes, speed."""

from __future__ import annotations

import argparse
from pathlib import Path

from ernie_toolkit.bundle import BUNDLE_FILE, Bundle, open_bundle, read_bundle, stale_message
from ernie_toolkit.compat import strict_zip
from ernie_toolkit.console import OneLineParser, notice, print_line, warn
from ernie_toolkit.data.inputs import texts_to_predict
from ernie_toolkit.data.registry import DATASETS
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import BATCH_SIZE, DEVICE_NUMBER, SEQUENCE_LENGTH, in_range
from ernie_toolkit.inference.answer_arguments import add_answer_arguments
from ernie_toolkit.inference.console import add_input_arguments, inputs_of
from ernie_toolkit.inference.engines.base import AUTO, Runtime
from ernie_toolkit.inference.engines.gpu import (
    ShapeProfile,
    measured_profile,
    read_profile,
    whole_profile,
)
from ernie_toolkit.inference.predictor import BundlePredictor, Predictor, bundle_task, limited
from ernie_toolkit.tasks import TASKS, SequenceClassification
from ernie_toolkit.text.tokenization import load_tokenizer

# What the guide calls a model's files, and the precision that this is.
NAMED_PRECISIONS = {"float32": "fp32", "int8": "int8"}


def build_parser(prog: str, description: str | None, datasets: bool = False) -> OneLineParser:
    """The arguments that the scripts for CPU and GPU have in common.

    Args:
        prog: The script's name.
        description: What the script is, for its help.
        datasets: Whether `--task_name` may be a data set's name too (see `task_of_dataset`).
    """
    parser = OneLineParser(prog=prog, description=description)
    parser.add_argument(
        "--task_name",
        choices=(*TASKS, *(DATASETS if datasets else ())),
        help="must be the bundle's own, which is the default",
    )
    parser.add_argument(
        "--model_path",
        type=path_text,
        help="bundle, or DIR/float32 of it (default: best_models/NAME/export, NAME as run_*.py makes it)",
    )
    add_input_arguments(parser)
    add_answer_arguments(parser)
    parser.add_argument("--batch_size", type=in_range(int, BATCH_SIZE), default=32, help="(default: %(default)s)")
    parser.add_argument(
        "--max_seq_length", type=in_range(int, SEQUENCE_LENGTH), help="at most the bundle's own, which is the default"
    )
    parser.add_argument(
        "--no_verify", action="store_true", help="do not compare the checksums of the bundle's files when it is opened"
    )
    return parser


def add_gpu_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the GPU alone."""
    parser.add_argument(
        "--device_id", type=in_range(int, DEVICE_NUMBER), default=0, help="which GPU (default: %(default)s)"
    )
    parser.add_argument(
        "--precision_mode",
        default="fp32",
        choices=("fp32", "fp16", "int8"),
        help="fp16: the bundle's, or converted now; int8: the bundle's, with fixed ranges (default: %(default)s)",
    )
    parser.add_argument("--use_trt", action="store_true", help="use TensorRT")
    parser.add_argument(
        "--set_dynamic_shape",
        action="store_true",
        help="measure the shapes of these inputs' batches, and write them to --shape_info_file",
    )
    parser.add_argument(
        "--shape_info_file",
        type=path_text,
        default="shape_info.txt",
        help="shapes that TensorRT builds its engine for; all that can come where it is missing (default: %(default)s)",
    )
    parser.add_argument(
        "--engine_cache",
        type=path_text,
        default="trt_engines",
        help="where TensorRT keeps engines (default: %(default)s)",
    )
    parser.add_argument("--no_warm_up", action="store_true", help="do not run batches before the first measured one")


def find_bundle(args: argparse.Namespace, cascades: bool = False) -> Bundle:
    """The bundle of `--model_path`, which may be named as the guide names a model's files: DIR/float32 or DIR/int8.

    The last part of such a name sets `--precision_mode`. Warns of a bundle that was made from other weights than the
    model beside it has.

    Args:
        args: Of `build_parser`.
        cascades: Whether it may be a cascade of several bundles.

    Raises:
        BundleError: As `read_bundle`, or `open_bundle`.
        ConfigError: Where it is a bundle for another task than `--task_name`.
    """
    path = args.model_path or TASKS[args.task_name or SequenceClassification.name].model_path
    if not Path(path).is_dir() and (Path(path).parent / BUNDLE_FILE).is_file():
        asked = NAMED_PRECISIONS.get(Path(path).name)
        if asked and args.precision_mode in (AUTO, "fp32"):
            if asked != args.precision_mode:
                notice(f"--model_path {path} asks for {asked.upper()}: computed as with --precision_mode {asked}")
            args.precision_mode = asked
        path = str(Path(path).parent)
    bundle = (open_bundle if cascades else read_bundle)(path, not args.no_verify)
    task = bundle.info.task
    if args.task_name not in (None, task):
        raise ConfigError(f"{path} is a bundle for the task '{task}', not '{args.task_name}': change one of the two")
    if message := stale_message(bundle):
        warn(message)
    return bundle


def task_of_dataset(args: argparse.Namespace) -> argparse.Namespace:
    """Arguments whose `--task_name` is a data set's name, as in the guide, with the task's name in its place.

    The bundle that `run_*.py` exports for the data set is the default then.
    """
    spec = DATASETS.get(args.task_name)
    if spec is not None:
        args.model_path = args.model_path or f"best_models/{spec.name}/export"
        args.task_name = spec.task_name
    return args


def shape_profile(args: argparse.Namespace, bundle: Bundle) -> ShapeProfile:
    """The batches to expect: measured on the inputs, read from the file, or every one that can come.

    Args:
        args: Of `add_gpu_arguments`, with those for the inputs.
        bundle: The bundle.

    Raises:
        ConfigError: Where the inputs do not fit the model, or the file is no shape profile.
    """
    info = limited(bundle.info, args.max_seq_length, None)
    path = Path(args.shape_info_file)
    if args.set_dynamic_shape:
        texts = texts_to_predict(inputs_of(args, info))
        rows = bundle_task(info, bundle.directory).encode(load_tokenizer(bundle.path("tokenizer")), texts)
        profile = measured_profile(rows.lengths(), args.batch_size)
        profile.write(path)
        print_line(f"shapes of {len(rows)} row(s) in {path}: {profile.smallest}, {profile.usual}, {profile.largest}")
        return profile
    if args.use_trt and path.exists():
        return read_profile(path)
    return whole_profile(info.max_seq_length, args.batch_size)


def print_choice(predictor: Predictor) -> None:
    """Print the engine and the precision that were taken and why, and what could not be kept for the next start.

    Of a cascade, a line for each part, and how many rows each has answered.
    """
    if predictor.cascade is not None:
        for part, choice in strict_zip(predictor.cascade.info.parts, predictor.cascade.choices):
            print_line(f"engine of {part.name}: {choice}")
        rows = predictor.cascade.answered
        print_line("answered by: " + ", ".join(f"{name} {count:,} row(s)" for name, count in rows.items()))
    else:
        print_line(f"engine: {predictor.choice}")
    for opened in (predictor,) if predictor.cascade is None else predictor.cascade.parts:
        _notice_not_kept(opened)


def _notice_not_kept(predictor: BundlePredictor) -> None:
    reason = predictor.runtime.not_kept if isinstance(predictor.runtime, Runtime) else ""
    if reason:
        notice(f"the compiled model could not be kept for the next start: {reason}")


def print_speed(count: int, ready: float, seconds: float) -> None:
    """Print how long it took to open the predictor and to answer.

    Args:
        count: Inputs that were answered.
        ready: Time to open the predictor, in seconds.
        seconds: Time to answer all inputs, in seconds.
    """
    print(f"ready in {ready:.2f} s; {count} input(s) in {seconds:.3f} s, {count / seconds:.1f} a second")
