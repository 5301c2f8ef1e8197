"""Start the tritonserver of the nvidia-pytriton wheel on a model repository; everywhere that NVIDIA's container is not.

python deploy/triton_serving/start_server.py --model_repository models

Further arguments go to tritonserver as they are (--log-verbose=1, say). Python models run in the environment
of the Python that runs this script.
"""

from __future__ import annotations

import argparse
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

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text, utf8_text
from ernie_toolkit.files.transactions import finish_transaction
from ernie_toolkit.formats.ranges import PORT, in_range


def find_server() -> Path:
    """The tritonserver folder of the wheel; ConfigError where it is not installed."""
    spec = importlib.util.find_spec("pytriton")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "no tritonserver in this environment: pip install --no-deps -r "
            "deploy/triton_serving/requirements_nodeps.txt, or use NVIDIA's container"
        )
    return Path(spec.origin).parent / "tritonserver"


def prepare_backends(server: Path, directory: Path) -> Path:
    """A backend directory with the Python backend and the stub for this Python; the wheel stays as it is."""
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


def serve(args: argparse.Namespace, rest: Sequence[str]) -> int:
    """Run the server until it ends or a signal stops it; gives its exit code."""
    repository = Path(args.model_repository)
    if not repository.is_dir():
        raise ConfigError(f"{repository}: no such folder: build it with deploy/triton_serving/build_repository.py")
    finish_transaction(repository)
    server = find_server()
    with tempfile.TemporaryDirectory(prefix="triton_backends_") as name:
        command = [
            str(server / "bin" / "tritonserver"),
            f"--model-repository={repository}",
            f"--backend-directory={prepare_backends(server, Path(name))}",
            f"--http-address={args.host}",
            f"--grpc-address={args.host}",
            f"--http-port={args.http_port}",
            f"--grpc-port={args.grpc_port}",
            "--allow-metrics=" + ("true" if args.metrics_port else "false"),
            f"--metrics-port={args.metrics_port}",
            *rest,
        ]
        process = subprocess.Popen(command, env=environment(server))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.send_signal(signal.SIGTERM))
        return process.wait()


def main(argv: Sequence[str] | None = None) -> int:
    """Parse arguments and run."""
    parser = OneLineParser(prog="start_server.py", description=__doc__)
    parser.add_argument("--model_repository", type=path_text, default="models", help="(default: %(default)s)")
    parser.add_argument("--host", type=utf8_text, default="0.0.0.0", help="(default: %(default)s)")
    parser.add_argument("--http_port", type=in_range(int, PORT), default=8000, help="(default: %(default)s)")
    parser.add_argument("--grpc_port", type=in_range(int, PORT), default=8001, help="(default: %(default)s)")
    parser.add_argument(
        "--metrics_port", type=in_range(int, PORT), default=8002, help="0: no metrics (default: %(default)s)"
    )
    args, rest = parser.parse_known_args(argv)
    with exit_on_toolkit_error(parser.prog):
        return serve(args, rest)


if __name__ == "__main__":
    sys.exit(main())
