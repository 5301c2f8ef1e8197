"""Put the scripts and configs/default.yml, which lie beside the package in a checkout, into an installed package.

The command `ernie-toolkit` runs them there. All else about the build: pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SCRIPTS = (
    "run_*.py",
    "compress_*.py",
    "distill.py",
    "utils.py",
    "multi_label/**/*.py",
    "multi_label/**/*.yml",
    "deploy/**/*.py",
    "clue/*.py",
    "clue/*.yml",
)


class BuildWithScripts(build_py):
    """The package's modules and data, the scripts and the YAML file."""

    def run(self) -> None:
        """Copy everything; an editable install finds it where it is."""
        super().run()
        if self.editable_mode:
            return
        package = Path(self.build_lib) / "ernie_toolkit"
        files = {ROOT / "configs" / "default.yml": package / "configs" / "default.yml"}
        for pattern in SCRIPTS:
            files.update({path: package / "scripts" / path.relative_to(ROOT) for path in ROOT.glob(pattern)})
        for source, target in files.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


setup(cmdclass={"build_py": BuildWithScripts})
