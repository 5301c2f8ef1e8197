"""What compression gains in speed and size, and what it costs in quality.

    python benchmarks/compression.py --speed_only
    python benchmarks/compression.py --quality_only --models best_models --data_dir DIR --reports DIR2

Speed is taken on the shape of ERNIE 3.0 Medium with random weights: pruned, INT8, both, and the same model in
BF16 with OpenVINO and with Paddle Inference, all in turn in one process; titles end to end; sizes on disk.
Quality is taken on fine-tuned models in `--models/<data set>`, which the compress_*.py scripts compress, each run
in a process of its own; a run whose report is in `--reports` already is read, not run again.
"""

from pathlib import Path
from typing import Any

from compression_quality import FULL_DEPTH, METRICS, QUALITY_SETS, pruning_options, quality_table
from compression_speed import speed_tables

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import check_output_file, write_json


def check_output(path: Path) -> None:
    """ConfigError where the results could not be written, before hours are spent on them."""
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"--output {path}: {path.absolute().parent} is no directory: make it, or name another")
    check_output_file(path)


def main() -> None:
    """Measure and print."""
    parser = OneLineParser(prog="compression.py", description=__doc__)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--speed_only", action="store_true")
    only.add_argument("--quality_only", action="store_true")
    parser.add_argument("--output", type=Path, help="write the results as JSON here")
    parser.add_argument("--data_dir", type=Path, help="official files; the sample's titles where not given")
    speed = parser.add_argument_group("speed")
    speed.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    speed.add_argument("--lengths", type=int, nargs="+", default=[128, 32])
    speed.add_argument("--repeats", type=int, default=5)
    speed.add_argument("--vocab", type=Path, help="vocab.txt for titles and --prune_vocab (default: the sample's)")
    quality = parser.add_argument_group("quality")
    quality.add_argument("--models", type=Path, default=Path("best_models"), help="(default: %(default)s)")
    quality.add_argument("--reports", type=Path, default=Path("benchmark_reports"), help="(default: %(default)s)")
    quality.add_argument("--datasets", nargs="+", default=list(QUALITY_SETS), choices=list(METRICS))
    quality.add_argument("--seeds", type=int, nargs="+", default=[42])
    quality.add_argument("--depth_mult_list", nargs="+", default=list(FULL_DEPTH), help="prune in depth too: 1 2/3")
    args = parser.parse_args()
    with exit_on_toolkit_error(parser.prog):
        if args.output:
            check_output(args.output)
        if args.data_dir is None and not args.speed_only:
            raise ConfigError("--data_dir: quality is measured on real data; give the directory of the official files")
        pruning_options(args.depth_mult_list)
        report: dict[str, Any] = {}
        if not args.quality_only:
            report["speed"] = speed_tables(args.threads, args.lengths, args.repeats, args.data_dir, args.vocab)
        if not args.speed_only:
            report["quality"] = quality_table(
                args.models, args.data_dir, args.reports, args.datasets, args.seeds, args.depth_mult_list
            )
        if args.output:
            write_json(args.output, report)


if __name__ == "__main__":
    main()
