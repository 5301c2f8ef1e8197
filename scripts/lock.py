"""Write constraints.txt: the versions that pip chooses today for everything requirements*.txt pull in.

    python scripts/lock.py [--python python3.10 python3.11 python3.12]

Asks pip's resolver of each Python (nothing is installed) and joins the answers; a package whose version
depends on the Python gets environment markers.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this Python need not have the toolkit installed

from ernie_toolkit.console import OneLineParser  # noqa: E402

HEADER = """\
# Written by `make constraints`: every package that requirements.txt and requirements-test.txt install, with the
# version tested. requirements.txt holds the direct dependencies and the reasons for their pins.
"""


def resolve(python: str) -> dict[str, str]:
    """Package versions that pip would install with this Python, without installing them."""
    with tempfile.TemporaryDirectory() as name:
        environment, report = Path(name) / "venv", Path(name) / "report.json"
        subprocess.run([python, "-m", "venv", str(environment)], check=True)
        subprocess.run(
            [
                str(environment / "bin" / "python"),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--dry-run",
                "--report",
                str(report),
                "-r",
                "requirements.txt",
                "-r",
                "requirements-test.txt",
            ],
            check=True,
            cwd=ROOT,
        )
        items = json.loads(report.read_text(encoding="utf-8"))["install"]
    versions = {item["metadata"]["name"]: item["metadata"]["version"] for item in items}
    versions.pop("ernie_toolkit", None)
    return versions


def constraint_lines(answers: dict[str, dict[str, str]]) -> list[str]:
    """Constraint lines for {Python version: {package: version}}, sorted by package."""
    by_package: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for python, versions in answers.items():
        for package, version in versions.items():
            by_package[package][version].append(python)
    lines = []
    for package in sorted(by_package, key=str.lower):
        choices = by_package[package]
        for version, pythons in sorted(choices.items()):
            everywhere = len(pythons) == len(answers)
            marker = " or ".join(f'python_version == "{python}"' for python in pythons)
            lines.append(f"{package}=={version}" + ("" if everywhere else f" ; {marker}"))
    return lines


def main() -> None:
    """Resolve for each Python and write the file."""
    parser = OneLineParser(prog="lock.py", description=__doc__)
    parser.add_argument("--python", nargs="+", default=["python3.10", "python3.11", "python3.12"])
    args = parser.parse_args()
    answers = {}
    for python in args.python:
        ask = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        version = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip()
        print(f"resolving for Python {version} ...", file=sys.stderr)
        answers[version] = resolve(python)
    (ROOT / "constraints.txt").write_text(HEADER + "\n".join(constraint_lines(answers)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
