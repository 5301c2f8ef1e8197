"""Build repositories for Triton, run the tritonserver of the nvidia-pytriton wheel on them, ask it."""

import contextlib
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers import Server, free_ports, running_server
from tiny import ROOT

DEPLOY = ROOT / "deploy" / "triton_serving"
# Runs in Triton's environment, which has its client: asks by gRPC, from `threads` at once, and prints what came.
ASK = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.triton.client import ask, connect
from ernie_toolkit.triton.interface import interface_of

job = json.load(sys.stdin)
interface = interface_of(job["task"], job["pairs"])
client = connect(job["url"], interface)

def one(texts):
    try:
        return ask(client, interface, [tuple(text) if isinstance(text, list) else text for text in texts])
    except ToolkitError as error:
        return str(error)

with ThreadPoolExecutor(job["threads"]) as pool:
    print(json.dumps(list(pool.map(one, job["requests"]))))
"""


@dataclass
class Triton:
    """A running server, and how to ask it."""

    server: Server
    python: Path
    http: int
    grpc: int

    def ask(self, task: str, requests: Sequence[Sequence[Any]], threads: int = 1) -> list[Any]:
        """The answers to each request, or the reason why it was refused, as the gRPC client gives them."""
        job = {"task": task, "pairs": task == "seq_cls", "url": f"127.0.0.1:{self.grpc}", "threads": threads}
        result = subprocess.run(
            [self.python, "-c", ASK],
            input=json.dumps({**job, "requests": requests}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        answers: list[Any] = json.loads(result.stdout)
        return answers

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and answer of an HTTP request in JSON."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def get(self, path: str) -> dict[str, Any]:
        """The answer to an HTTP request."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=60) as answer:
            return json.load(answer)  # type: ignore[no-any-return]


def build(python: Path, bundle: Path, repository: Path, *arguments: str) -> None:
    """Run build_repository.py."""
    subprocess.run(
        [python, DEPLOY / "build_repository.py", "--model_path", bundle, "--model_repository", repository, *arguments],
        check=True,
    )


@contextlib.contextmanager
def triton(python: Path, repository: Path, log: Path) -> Iterator[Triton]:
    """A server on a repository."""
    http, grpc = free_ports(2)
    command = [
        python,
        DEPLOY / "start_server.py",
        "--model_repository",
        repository,
        "--host",
        "127.0.0.1",
        "--http_port",
        str(http),
        "--grpc_port",
        str(grpc),
        "--metrics_port",
        "0",
    ]

    def ready() -> bool:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{http}/v2/health/ready", timeout=5).status == 200
        except OSError:
            return False

    with running_server(command, log, ready) as server:
        yield Triton(server, python, http, grpc)
