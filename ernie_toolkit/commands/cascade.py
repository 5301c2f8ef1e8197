"""Make a cascade of bundles: a small model answers first, and the rows that it is unsure of go to a larger one.

ernie-toolkit cascade --bundles small/export best_models/tnews/export --dataset tnews --output_dir tnews-cascade
ernie-toolkit cascade --bundles prune/0.5 prune/width_mult_1/export --data_dir data --output_dir cascade
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.options import dataset_name
from ernie_toolkit.bundle import Bundle
from ernie_toolkit.bundle.cascade import CONFIDENCES, POINTS, CascadeInfo
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, say, warn
from ernie_toolkit.data import DataSet, load_dataset
from ernie_toolkit.data.label_sets import load_label_sets
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import BATCH_SIZE, COUNT_OR_NONE, SEED, THREADS, in_range
from ernie_toolkit.inference.cascade.building import DEFAULTS, CascadeOptions, plan_cascade
from ernie_toolkit.inference.cascade.files import check_cascade_target, open_parts, write_cascade
from ernie_toolkit.inference.engine_arguments import add_engine_arguments
from ernie_toolkit.tasks import MultiLabelClassification


def build_parser() -> OneLineParser:
    """The arguments of this command."""
    parser = OneLineParser(prog="ernie-toolkit cascade", description=__doc__)
    parser.add_argument(
        "--bundles", nargs="+", type=path_text, required=True, help="bundles of one task, the smallest model first"
    )
    parser.add_argument("--output_dir", type=path_text, required=True, help="directory that gets the cascade")
    _add_data_arguments(parser)
    parser.add_argument(
        "--max_drop",
        type=in_range(float, POINTS),
        default=DEFAULTS.max_drop,
        help="percentage points that the cascade may lose against its last part: of accuracy, or of micro F1 for sets "
        "of labels (default: %(default)s)",
    )
    parser.add_argument(
        "--confidence",
        choices=CONFIDENCES,
        help="how sure a part is: the probability of its answer, or that before the next label; for sets of labels the "
        "least distance of a label from its threshold (default: max_probability; margin for sets of labels)",
    )
    parser.add_argument(
        "--seed", type=in_range(int, SEED), default=DEFAULTS.seed, help="of the dev set's halves (default: %(default)s)"
    )
    parser.add_argument(
        "--batch_size",
        type=in_range(int, BATCH_SIZE),
        default=DEFAULTS.batch_size,
        help="rows that are computed at once (default: %(default)s)",
    )
    parser.add_argument(
        "--num_threads", type=in_range(int, THREADS), help="(default: the processors this process may use)"
    )
    add_engine_arguments(parser)
    parser.add_argument(
        "--overwrite_output_dir", action="store_true", help="replace an earlier cascade in --output_dir"
    )
    return parser


def _add_data_arguments(parser: OneLineParser) -> None:
    parser.add_argument("--dataset", type=dataset_name, default="", help="data set by name, or custom")
    parser.add_argument(
        "--data_dir",
        type=path_text,
        help="directory with the data set's official files; for sets of labels the data directory, without --dataset",
    )
    parser.add_argument(
        "--data_source",
        choices=("auto", "official", "sample"),
        default="auto",
        help="where data comes from without --data_dir; sample: the generated one (default: %(default)s)",
    )
    parser.add_argument("--dev_file", type=path_text, help="custom: labelled dev rows")
    parser.add_argument("--label_file", type=path_text, help="custom: one label a line; the parts' labels otherwise")
    parser.add_argument(
        "--max_dev_samples",
        type=in_range(int, COUNT_OR_NONE),
        default=0,
        help="use the first rows of the dev set only; 0: all (default: %(default)s)",
    )


def _load(args: argparse.Namespace, part: Bundle) -> DataSet:
    """The data set of the command line, with the labels of a part."""
    info = part.info
    limits = {"dev": args.max_dev_samples} if args.max_dev_samples else {}
    if info.task == MultiLabelClassification.name:
        if args.dataset or not args.data_dir or args.dev_file or args.label_file or limits:
            raise ConfigError(
                f"{part.directory} gives sets of labels: give --data_dir, a directory with dev.txt and label.txt, and "
                "none of --dataset, --dev_file, --label_file and --max_dev_samples"
            )
        if not Path(args.data_dir).is_dir():
            raise ConfigError(f"{args.data_dir}: no such data directory: check --data_dir")
        return load_label_sets(args.data_dir, ("dev",))
    if not args.dataset:
        raise ConfigError("--dataset is missing: give the data set that the parts were trained on, or custom")
    return load_dataset(
        args.dataset,
        task=info.task,
        data_dir=args.data_dir,
        data_source=args.data_source,
        splits=("dev",),
        dev_file=args.dev_file,
        label_file=args.label_file,
        limits=limits,
        labels=info.labels,
    )


def _report(cascade: CascadeInfo, output: str) -> None:
    """Print each part and the cascade."""
    for part in cascade.parts:
        gate = "the rest" if part is cascade.parts[-1] else f"{cascade.confidence} >= {part.threshold:.4f}"
        say(
            f"{part.name}: {part.engine} {part.precision}, answers {100 * part.share:.1f}% of rows ({gate}, "
            f"temperature {part.temperature:.3f}); alone {100 * part.metric:.2f} {cascade.metric_name}, "
            f"{part.sequences_per_second:.1f} sequences/s"
        )
    last = cascade.parts[-1]
    say(
        f"cascade: {100 * cascade.metric:.2f} {cascade.metric_name} ({-cascade.drop:+.2f} points against {last.name}), "
        f"{cascade.sequences_per_second:.1f} sequences/s "
        f"({cascade.sequences_per_second / last.sequences_per_second:.2f} times {last.name})",
        f"thresholds chosen on {cascade.choosing_rows:,} dev rows, everything measured on the other "
        f"{cascade.measuring_rows:,}",
        f"cascade in {output}",
    )


def main(argv: Sequence[str]) -> None:
    """Open, read, choose, measure, write, report.

    Args:
        argv: The arguments.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        parts = open_parts(args.bundles)
        output = Path(args.output_dir)
        check_cascade_target(output, parts, args.overwrite_output_dir)
        data = _load(args, parts[0])
        warn(*data.notices, *data.warnings)
        say(f"data: {data.spec.name} from {data.source} ({data.location})")
        say(*data.summary)
        options = CascadeOptions(
            args.max_drop,
            args.confidence,
            args.seed,
            args.batch_size,
            args.num_threads,
            args.engine,
            args.precision_mode,
            args.engine_cache,
        )
        cascade = plan_cascade(parts, data, options)
        write_cascade(output, parts, cascade)
        _report(cascade, args.output_dir)
        warn(*cascade.warnings)


if __name__ == "__main__":
    main(sys.argv[1:])
