"""Write the table in docs/guide_flags.md anew, from ernie_toolkit/arguments/guide_flags.py.

python scripts/guide_flags.py
"""

from pathlib import Path

from ernie_toolkit.arguments.guide_flags import DOCUMENT, flag_table
from ernie_toolkit.console import OneLineParser
from ernie_toolkit.files import write_text

HEADING = "## Table\n\n"


def main() -> None:
    """Replace what stands below the heading."""
    OneLineParser(prog="guide_flags.py", description=__doc__).parse_args()
    path = Path(__file__).resolve().parents[1] / DOCUMENT
    head, _, _ = path.read_text(encoding="utf-8").partition(HEADING)
    write_text(path, head + HEADING + flag_table())


if __name__ == "__main__":
    main()
