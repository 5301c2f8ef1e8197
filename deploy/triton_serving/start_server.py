"""Start the tritonserver of the nvidia-pytriton wheel on a model repository; everywhere that NVIDIA's container is not.

python deploy/triton_serving/start_server.py --model_repository models

Further arguments go to tritonserver as they are (--log-verbose=1, say). Python models run in the environment
of the Python that runs this script.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.files.paths import path_text, utf8_text
from ernie_toolkit.formats.ranges import PORT, in_range
from ernie_toolkit.triton.server import serve


def main(argv: Sequence[str] | None = None) -> int:
    """Parse arguments and run the server; gives its exit code."""
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
        return serve(
            Path(args.model_repository),
            [
                f"--http-address={args.host}",
                f"--grpc-address={args.host}",
                f"--http-port={args.http_port}",
                f"--grpc-port={args.grpc_port}",
                "--allow-metrics=" + ("true" if args.metrics_port else "false"),
                f"--metrics-port={args.metrics_port}",
                *rest,
            ],
        )


if __name__ == "__main__":
    sys.exit(main())
