"""What a deployment imports, seen from a fresh process of any Python."""

import subprocess
from pathlib import Path

CODE = """
import importlib, pkgutil, sys
module = importlib.import_module(sys.argv[1])
for part in pkgutil.walk_packages(getattr(module, "__path__", []), module.__name__ + "."):
    importlib.import_module(part.name)
heavy = {"paddle", "paddlenlp", "onnx", "yaml", "matplotlib", "sklearn"} - set(sys.argv[2:])
found = sorted(name for name in sys.modules if name.split(".")[0] in heavy)
assert not found, found
"""


def check_imports_no_paddle(python: str | Path, name: str, *allowed: str) -> None:
    """Import a part of the library, all its modules included. AssertionError where that needs what trains.

    `allowed`: packages that its environment has for another reason.
    """
    command = [str(python), "-c", CODE, f"ernie_toolkit.{name}", *allowed]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
