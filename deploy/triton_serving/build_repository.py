"""Build a model repository for Triton from an exported bundle, or for a bundle that is put there later.

python deploy/triton_serving/build_repository.py --model_path best_models/afqmc/export --model_repository models
python deploy/triton_serving/build_repository.py --without_bundle seq_cls token_cls qa multiple_choice \\
    --model_repository models
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_line
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.triton.cli import add_repository_arguments, repository_options
from ernie_toolkit.triton.repository import build_generic, build_repository


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = OneLineParser(prog="build_repository.py", description=__doc__)
    parser.add_argument(
        "--model_path", type=path_text, default="best_models/afqmc/export", help="bundle (default: %(default)s)"
    )
    parser.add_argument(
        "--model_repository", type=path_text, default="models", help="where to write (default: %(default)s)"
    )
    parser.add_argument(
        "--without_bundle",
        nargs="+",
        choices=tuple(TASKS),
        metavar="TASK",
        help=f"write the models of these tasks ({', '.join(TASKS)}) without a bundle, in place of --model_path",
    )
    parser.add_argument(
        "--single", action="store_true", help="with --without_bundle: models of single texts, not of pairs"
    )
    add_repository_arguments(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments, build, report."""
    parser = build_parser()
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = repository_options(args)
        repository = Path(args.model_repository)
        if args.without_bundle:
            built = [build_generic(task, not args.single, repository, options) for task in args.without_bundle]
        elif args.single:
            raise ConfigError("--single is for --without_bundle: a bundle knows its own inputs")
        else:
            built = [build_repository(args.model_path, repository, options)]
    for interface in built:
        print_line(f"{interface.name} in {args.model_repository}, {args.precision} on {args.device} by {args.backend}")


if __name__ == "__main__":
    main()
