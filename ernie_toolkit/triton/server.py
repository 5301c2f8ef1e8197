"""The tritonserver of the nvidia-pytriton wheel, for machines without NVIDIA's container."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.transactions import finish_transaction


def find_server() -> Path:
    """The tritonserver folder of the nvidia-pytriton wheel.

    Raises:
        ConfigError: Where it is not installed.
    """
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "no tritonserver in this environment: pip install --no-deps -r "
            "deploy/triton_serving/requirements_nodeps.txt, or use NVIDIA's container"
        )
    return Path(spec.origin).parent / "tritonserver"


def prepare_backends(server: Path, directory: Path) -> Path:
    """A backend directory with the Python backend and the stub for this Python; the wheel stays as it is.

    Args:
        server: See `find_server`.
        directory: An empty one, which is filled and returned.

    Raises:
        ConfigError: Where the wheel has no stub for this Python.
    """
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.is_file():
        known = ", ".join(sorted(path.name for path in (server / "python_backend_stubs").iterdir()))
        raise ConfigError(f"this tritonserver runs models of Python {known}, not {version}: use one of these")
    target = directory / "python"
    shutil.copytree(server / "backends" / "python", target)
    shutil.copy(stub, target / stub.name)
    (target / stub.name).chmod(0o755)
    return directory


def environment(server: Path) -> Mapping[str, str]:
    """Environment variables with which the stub finds this Python, its packages, and the wheel's libraries."""
    libraries = [sysconfig.get_config_var("LIBDIR"), str(server.parents[1] / "nvidia_pytriton.libs")]
    paths = {"PATH": str(Path(sys.executable).parent), "LD_LIBRARY_PATH": os.pathsep.join(libraries)}
    return {**os.environ, **{name: f"{value}{os.pathsep}{os.environ.get(name, '')}" for name, value in paths.items()}}


def serve(repository: Path, arguments: Sequence[str]) -> int:
    """Run the server until it ends or a signal stops it.

    Args:
        repository: Directory of the models; an interrupted build in it is finished first.
        arguments: Of tritonserver: addresses, ports, and what else it takes.

    Returns:
        Its exit code.

    Raises:
        ConfigError: Where the repository is missing, and as `find_server` and `prepare_backends`.
    """
    if not repository.is_dir():
        raise ConfigError(f"{repository}: no such folder: build it with deploy/triton_serving/build_repository.py")
    finish_transaction(repository)
    server = find_server()
    with tempfile.TemporaryDirectory(prefix="triton_backends_") as name:
        command = [
            str(server / "bin" / "tritonserver"),
            f"--model-repository={repository}",
            f"--backend-directory={prepare_backends(server, Path(name))}",
            *arguments,
        ]
        process = subprocess.Popen(command, env=environment(server))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.send_signal(signal.SIGTERM))
        return process.wait()
