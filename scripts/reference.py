"""Write docs/options.md and docs/api.md anew, from the options and the docstrings of the code.

python scripts/reference.py
"""

from pathlib import Path

from ernie_toolkit.console import OneLineParser
from ernie_toolkit.files import write_text
from ernie_toolkit.reference import API_PAGE, HEADING, OPTIONS_PAGE, api_reference, options_reference


def main() -> None:
    """Replace what stands below the heading of each page."""
    OneLineParser(prog="reference.py", description=__doc__).parse_args()
    for page, text in ((OPTIONS_PAGE, options_reference()), (API_PAGE, api_reference())):
        path = Path(__file__).resolve().parents[1] / page
        head, _, _ = path.read_text(encoding="utf-8").partition(HEADING)
        write_text(path, head + HEADING + text)


if __name__ == "__main__":
    main()
