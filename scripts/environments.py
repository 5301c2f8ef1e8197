"""Build the environments of the deployments, one for each, apart from the one that trains; and one with transformers.

    python scripts/environments.py [simple_serving triton_serving python predictor predictor_openvino paddle_serving
                                    huggingface]

Each goes to .venvs/NAME, from its folder's requirements.txt (or the file that `FILES` names) and, without their
dependencies, from requirements_nodeps.txt beside it. One that is there and whose files have not changed is left alone.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

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
    "predictor_openvino": ("3.11", "3.12", "3.10"),
    "paddle_serving": ("3.9", "3.8"),
    "huggingface": ("3.11", "3.12"),
}
# Where the files of an environment are that are not in deploy/NAME.
FOLDERS = {
    "paddle_serving": "multi_label/deploy/paddle_serving",
    "predictor_openvino": "deploy/predictor",
    "huggingface": "tests/deployments/huggingface",
}
# What an environment holds; a name with "nodeps" is installed without dependencies.
REQUIREMENTS = ("requirements.txt", "requirements_nodeps.txt")
FILES = {"predictor": ("requirements_cpu.txt",), "predictor_openvino": ("requirements_openvino.txt",)}
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
    return [path for file in FILES.get(name, REQUIREMENTS) if (path := folder_of(name) / file).is_file()]


def constraints_file(name: str) -> Path:
    """The file that says which version of each package an environment holds."""
    return folder_of(name) / ("constraints_openvino.txt" if name == "predictor_openvino" else "constraints.txt")


def constrained(name: str, path: Path) -> list[str]:
    """pip's arguments for one of the files of an environment."""
    if path.stem.endswith("nodeps"):
        return ["--no-deps", "-r", str(path)]
    return ["-r", str(path), "-c", str(constraints_file(name))]


def fingerprint(name: str) -> str:
    """What the stamp of an environment built from today's files says."""
    files = [*requirement_files(name), constraints_file(name)]
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
        subprocess.run([*pip, *constrained(name, path)], check=True, cwd=ROOT)
    # Links to this checkout in place of a copy, so that tests see the library as it is.
    subprocess.run([*pip, "--no-deps", "-e", str(ROOT)], check=True)
    stamp.write_text(fingerprint(name), encoding="utf-8")
    return f"{name}: built {target}"


def main() -> None:
    """Build the named environments, or all."""
    parser = OneLineParser(prog="environments.py", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PYTHONS)} (default: all)")
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(PYTHONS)):
        parser.error(f"no such environment: {', '.join(unknown)}; choose from {', '.join(PYTHONS)}")
    for name in args.names or PYTHONS:
        print(build(name), flush=True)


if __name__ == "__main__":
    main()
