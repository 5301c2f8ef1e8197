"""Doccano's exports to a multi-label data directory, and back to label rows again.

python multi_label/doccano.py --doccano_file all.jsonl --save_dir data --splits 0.8 0.1 0.1
python multi_label/doccano.py --to_doccano data/train_dirty.txt --doccano_file relabel.jsonl
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ernie_toolkit.cli import OneLineParser, exit_on_toolkit_error, say
from ernie_toolkit.data.doccano import label_names, read_doccano, split_rows, write_doccano
from ernie_toolkit.data.label_sets import FILES, LABEL_FILE, split_line, write_label_sets
from ernie_toolkit.data.lines import read_lines
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files import write_text
from ernie_toolkit.multi_label.checks import check_targets
from ernie_toolkit.options import option
from ernie_toolkit.settings import add_options, resolve_options


@dataclass(frozen=True)
class DoccanoOptions:
    """What is converted into what."""

    doccano_file: str = option("doccano.jsonl", "doccano's file: read, or with --to_doccano written")
    save_dir: str = option("./data", "directory for train.txt, dev.txt, test.txt and label.txt")
    splits: tuple[float, ...] = option((0.8, 0.1, 0.1), "shares of train, dev and test, which add up to 1")
    seed: int = option(1000, "seed of the rows' order")
    overwrite: bool = option(False, "replace the data files that --save_dir has")
    to_doccano: str = option("", "labelled file (text<TAB>label,label) to convert for doccano instead")


def from_doccano(options: DoccanoOptions) -> None:
    """Write a data directory. Raises ConfigError where one is there and nobody has said that it may be replaced."""
    directory = Path(options.save_dir)
    there = [path for name in (*FILES.values(), LABEL_FILE) if (path := directory / name).exists()]
    if there and not options.overwrite:
        raise ConfigError(f"{there[0]} is there: give another --save_dir, or --overwrite to replace what is in it")
    if Path(options.doccano_file).resolve() in {path.resolve() for path in there}:
        raise ConfigError(f"--doccano_file {options.doccano_file} would be replaced itself: give another --save_dir")
    rows = read_doccano(Path(options.doccano_file))
    labels = label_names(rows)
    parts = split_rows(rows, options.splits, options.seed)
    for split, name in FILES.items():
        if parts[split]:
            write_label_sets(directory / name, parts[split])
        else:
            # An empty file is an error to whoever reads it.
            (directory / name).unlink(missing_ok=True)
    write_text(directory / LABEL_FILE, "".join(label + "\n" for label in labels))
    counts = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
    say(f"{directory}: {counts}, {len(labels)} labels")


def to_doccano(options: DoccanoOptions) -> None:
    """Write a labelled file for doccano, whatever its labels are."""
    rows = []
    for number, line in read_lines(Path(options.to_doccano)):
        text, labels = split_line(line, f"{options.to_doccano}:{number}")
        rows.append({"sentence": text, "labels": labels})
    if not rows:
        raise DataError(f"{options.to_doccano}: no row in it")
    write_doccano(Path(options.doccano_file), rows)
    say(f"{options.doccano_file}: {len(rows)} rows")


def main(argv: Sequence[str]) -> None:
    """Parse arguments, convert."""
    parser = OneLineParser(prog="doccano.py", description=__doc__)
    add_options(parser, DoccanoOptions)
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(DoccanoOptions, {}, given)
        if not options.to_doccano:
            return from_doccano(options)
        unused = [name for name in ("save_dir", "splits", "seed", "overwrite") if name in vars(given)]
        if unused:
            raise ConfigError(f"--{unused[0]} is for the way from doccano: leave it out with --to_doccano")
        if "doccano_file" not in vars(given):
            raise ConfigError("--to_doccano writes --doccano_file: give it a name")
        check_targets({"doccano_file": Path(options.doccano_file)}, {"to_doccano": Path(options.to_doccano)})
        to_doccano(options)


if __name__ == "__main__":
    main(sys.argv[1:])
