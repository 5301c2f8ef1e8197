"""Each environment holds what its constraints.txt says, and nothing else."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.utils import canonicalize_name
from tiny import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
try:
    from environments import PYTHONS, constraints_file, fingerprint, requirement_files
finally:
    sys.path.pop(0)

LIST = """
import importlib.metadata as metadata, json, sys
found = {item.metadata["Name"]: item.version for item in metadata.distributions()}
python = {"python_version": "%d.%d" % sys.version_info[:2], "python_full_version": "%d.%d.%d" % sys.version_info[:3]}
print(json.dumps([python, found]))
"""
# What the wheel of PyTorch for GPUs needs, and the one for CPUs not.
OF_GPU_WHEELS = re.compile(r"(cuda|nvidia)-.*|triton")
# What venv and pip bring themselves, and this project.
OTHERS = {"pip", "setuptools", "wheel", "ernie-toolkit"}


def pinned(path: Path, python: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Name and version of each line of a constraints file that counts for a Python, given by its marker variables."""
    for line in path.read_text(encoding="utf-8").splitlines():
        pin, _, marker = line.partition(" ; ")
        if "==" in pin and not line.startswith("#") and (not marker or Marker(marker).evaluate(python)):
            name, version = pin.split("==")
            yield canonicalize_name(name), version


@pytest.mark.parametrize("name", list(PYTHONS))
def test_an_environment_is_what_its_constraints_say(environment: Callable[[str], Path], name: str) -> None:
    result = subprocess.run([environment(name), "-c", LIST], capture_output=True, text=True, check=True)
    python, found = json.loads(result.stdout)
    # What follows a + says how a wheel was built ("+cpu").
    installed = {canonicalize_name(package): version.partition("+")[0] for package, version in found.items()}
    alone = {
        package
        for path in requirement_files(name)
        if path.stem.endswith("nodeps")
        for package, _ in pinned(path, python)
    }
    pins = dict(pinned(constraints_file(name), python))
    left_out = OTHERS | alone
    if name == "huggingface":
        left_out |= {package for package in {*pins, *installed} if OF_GPU_WHEELS.fullmatch(package)}
    expected = {package: version for package, version in pins.items() if package not in left_out}
    assert {package: version for package, version in installed.items() if package not in left_out} == expected
    assert alone <= set(installed) and "ernie-toolkit" in installed
    assert (environment(name).parents[1] / ".installed").read_text(encoding="utf-8") == fingerprint(name)
