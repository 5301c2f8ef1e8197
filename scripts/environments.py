"""Build the environments of the deployments, one for each, apart from the one that trains.

    python scripts/environments.py [simple_serving triton_serving python predictor paddle_serving]
    python scripts/environments.py --lock [NAME ...]

Each goes to .venvs/NAME, from its folder's requirements.txt (or requirements_cpu.txt) and, without their
dependencies, from requirements_nodeps.txt beside it. One that is there and whose files have not changed is left alone.

--lock writes constraints.txt beside the requirements anew: the versions that pip chooses today for everything that they
pull in, with each Python that the deployment runs on (nothing is installed). All these Pythons have to be there.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from lock import constraint_lines

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this Python need not have the toolkit installed

from ernie_toolkit.console import OneLineParser  # noqa: E402

DIRECTORY = ROOT / ".venvs"
# Name of an environment -> Pythons that its packages have wheels for, best first.
PYTHONS = {
    "simple_serving": ("3.11", "3.12", "3.10"),
    "triton_serving": ("3.11", "3.12", "3.10"),
    "python": ("3.10",),
    # The oldest that the deployments run on, as FastDeploy's container has it.
    "predictor": ("3.8", "3.9"),
    "paddle_serving": ("3.9", "3.8"),
}
# Pythons that a deployment runs on, where they are more than it is tested with.
LOCKED = {**PYTHONS, "python": ("3.8", "3.9", "3.10"), "predictor": ("3.8", "3.9", "3.10", "3.11", "3.12")}
# Where the files of an environment are that are not in deploy/NAME.
FOLDERS = {"paddle_serving": "multi_label/deploy/paddle_serving"}
# What an environment holds; a name with "nodeps" is installed without dependencies.
REQUIREMENTS = ("requirements.txt", "requirements_cpu.txt", "requirements_nodeps.txt")
CONSTRAINTS = "constraints.txt"
HEADER = """\
# Written by `python scripts/environments.py --lock {name}`: every package that this deployment installs, with its
# version; to be given to pip with -c. The requirements hold the direct dependencies and the reasons for their pins.
"""
STAMP = ".installed"


def _candidates(version: str) -> Iterable[str]:
    yield f"python{version}"
    yield from map(str, sorted((Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python")))
    if shutil.which("uv"):
        found = subprocess.run(["uv", "python", "find", version], capture_output=True, text=True, check=False)
        yield found.stdout.strip()


def find_python(versions: Iterable[str]) -> str | None:
    """An interpreter of one of these versions, or None: from PATH, pyenv's folder, or uv."""
    for version in versions:
        for command in _candidates(version):
            if not command or not shutil.which(command):
                continue
            check = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
            answer = subprocess.run([command, "-c", check], capture_output=True, text=True, check=False)
            if answer.returncode == 0 and answer.stdout.strip() == version:
                return command
    return None


def folder_of(name: str) -> Path:
    """Where the files of an environment are."""
    return ROOT / FOLDERS.get(name, f"deploy/{name}")


def requirement_files(name: str) -> list[Path]:
    """The files that say what an environment holds."""
    return [path for file in REQUIREMENTS if (path := folder_of(name) / file).is_file()]


def constrained(path: Path) -> list[str]:
    """pip's arguments for one of these files."""
    if path.stem.endswith("nodeps"):
        return ["--no-deps", "-r", str(path)]
    return ["-r", str(path), "-c", str(path.with_name(CONSTRAINTS))]


def fingerprint(name: str) -> str:
    """What the stamp of an environment built from today's files says."""
    files = [*requirement_files(name), folder_of(name) / CONSTRAINTS]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def build(name: str) -> str:
    """Build one environment where it is missing or old; gives a line that says what was done."""
    target = DIRECTORY / name
    stamp = target / STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == fingerprint(name):
        return f"{name}: {target}"
    python = find_python(PYTHONS[name])
    if python is None:
        return f"{name}: not built, no Python {' or '.join(PYTHONS[name])} found on PATH, in ~/.pyenv or by uv"
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run([python, "-m", "venv", str(target)], check=True)
    pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for path in requirement_files(name):
        subprocess.run([*pip, *constrained(path)], check=True, cwd=ROOT)
    # Links to this checkout in place of a copy, so that tests see the library as it is.
    subprocess.run([*pip, "--no-deps", "-e", str(ROOT)], check=True)
    stamp.write_text(fingerprint(name), encoding="utf-8")
    return f"{name}: built {target}"


def resolve(python: str, files: Sequence[Path]) -> dict[str, str]:
    """Package versions that pip would install with this Python, without installing them."""
    with tempfile.TemporaryDirectory() as directory:
        environment, report = Path(directory) / "venv", Path(directory) / "report.json"
        subprocess.run([python, "-m", "venv", str(environment)], check=True)
        pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
        # The pip that old Pythons bring writes no report.
        subprocess.run([*pip, "install", "--quiet", "--upgrade", "pip"], check=True)
        asked = [part for path in files for part in ("-r", str(path))]
        command = [*pip, "install", "--quiet", "--dry-run", "--report", str(report), *asked]
        subprocess.run(command, check=True, cwd=ROOT)
        items = json.loads(report.read_text(encoding="utf-8"))["install"]
    versions = {item["metadata"]["name"]: item["metadata"]["version"] for item in items}
    versions.pop("ernie_toolkit", None)
    return versions


def lock(name: str) -> str:
    """Write an environment's constraints; gives a line that says what was done."""
    files = [path for path in requirement_files(name) if not path.stem.endswith("nodeps")]
    pythons = {version: find_python([version]) for version in sorted(LOCKED[name], key=lambda text: int(text[2:]))}
    if missing := [version for version, python in pythons.items() if python is None]:
        sys.exit(f"{name}: not locked, no Python {', '.join(missing)} found on PATH, in ~/.pyenv or by uv")
    answers = {version: resolve(python, files) for version, python in pythons.items() if python}
    target = folder_of(name) / CONSTRAINTS
    lines = constraint_lines(answers)
    target.write_text(HEADER.format(name=name) + "\n".join(lines) + "\n", encoding="utf-8")
    return f"{name}: {len(lines)} lines for Python {', '.join(answers)} in {target}"


def main() -> None:
    """Build or lock those asked for, or all."""
    parser = OneLineParser(prog="environments.py", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PYTHONS)} (default: all)")
    parser.add_argument("--lock", action="store_true", help="write their constraints.txt anew, and build nothing")
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(PYTHONS)):
        parser.error(f"no such environment: {', '.join(unknown)}; choose from {', '.join(PYTHONS)}")
    for name in args.names or PYTHONS:
        print(lock(name) if args.lock else build(name), flush=True)


if __name__ == "__main__":
    main()
