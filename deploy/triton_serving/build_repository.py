"""Build a model repository for Triton from an exported bundle.

python deploy/triton_serving/build_repository.py --model_path best_models/afqmc/export --model_repository models
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_line
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import INSTANCES, QUEUE_DELAY, THREADS_OR_ALL, TRITON_BATCH, in_range
from ernie_toolkit.triton.repository import BACKENDS, DEVICES, RepositoryOptions, build_repository


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and build."""
    parser = OneLineParser(prog="build_repository.py", description=__doc__)
    parser.add_argument(
        "--model_path", type=path_text, default="best_models/afqmc/export", help="bundle (default: %(default)s)"
    )
    parser.add_argument(
        "--model_repository", type=path_text, default="models", help="where to write (default: %(default)s)"
    )
    parser.add_argument(
        "--backend",
        default="python",
        choices=BACKENDS,
        help="what computes the model: python runs on every Triton, onnxruntime in NVIDIA's container, fastdeploy "
        "in FastDeploy's (default: %(default)s)",
    )
    parser.add_argument("--device", default="cpu", choices=DEVICES, help="(default: %(default)s)")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "int8", "fp16"), help="(default: %(default)s)")
    parser.add_argument(
        "--instances", type=in_range(int, INSTANCES), default=1, help="copies of the model (default: %(default)s)"
    )
    parser.add_argument(
        "--num_threads",
        type=in_range(int, THREADS_OR_ALL),
        default=0,
        help="of each copy; 0: all (default: %(default)s)",
    )
    parser.add_argument(
        "--max_batch_size",
        type=in_range(int, TRITON_BATCH),
        default=64,
        help="texts in a request (default: %(default)s)",
    )
    parser.add_argument(
        "--max_queue_delay",
        type=in_range(int, QUEUE_DELAY),
        default=2000,
        help="wait for others, microseconds (default: %(default)s)",
    )
    parser.add_argument(
        "--no_verify", action="store_true", help="do not compare the checksums of the bundle's files when it is opened"
    )
    args = parser.parse_args(argv)
    args.verify = not args.no_verify
    names = [field.name for field in dataclasses.fields(RepositoryOptions)]
    with exit_on_toolkit_error(parser.prog):
        options = RepositoryOptions(**{name: getattr(args, name) for name in names})
        interface = build_repository(args.model_path, Path(args.model_repository), options)
    print_line(f"{interface.name} in {args.model_repository}, {args.precision} on {args.device} by {args.backend}")


if __name__ == "__main__":
    main()
