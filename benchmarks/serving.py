"""Requests a second and latency of the deployments, against Predictor in process.

    make test-deploy    # builds the environments in .venvs
    python benchmarks/serving.py --model_path best_models/tnews/export --texts DIR/tnews/dev.json

Each deployment is started on the same bundle and asked one text a request by each number of clients for --seconds,
after a second of warming up. Clients are threads that keep their connections (HTTP, for Triton too); server and
clients share the machine. Latency in milliseconds, of the requests in the measured time. A deployment whose
environment was not built (FastDeploy wants Python 3.8 to 3.10), or has not the engine, or FastDeploy where the bundle
has no INT8 model, is left out, and a line says so.
"""

import contextlib
import http.client
import itertools
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ernie_toolkit.bundle import BundleInfo, read_bundle
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.data.inputs import read_inputs
from ernie_toolkit.errors import BundleError, ConfigError
from ernie_toolkit.files import write_json
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.engines.base import PRECISIONS
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.text.features import PAIR_FORMATS, TextInput
from ernie_toolkit.triton.interface import interface_of

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))  # servers are started as the tests start them

from servers import free_ports, running_server  # noqa: E402
from serving_load import Ask, measure  # noqa: E402


def poster(port: int, path: str, body_of: Callable[[TextInput], dict[str, Any]]) -> Ask:
    """Asks over one HTTP connection; RuntimeError where the server answers anything but 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(text: TextInput) -> None:
        body = json.dumps(body_of(text)).encode()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}: {content[:200]!r}")

    return ask


def answers(url: str) -> bool:
    """Whether a server is ready."""
    try:
        return bool(urllib.request.urlopen(url, timeout=5).status == 200)
    except OSError:
        return False


def python_of(name: str) -> Path:
    """The Python of a deployment's environment; ConfigError where it was not built."""
    python = ROOT / ".venvs" / name / "bin" / "python"
    if not python.is_file():
        raise ConfigError(f"{python} is missing: python scripts/environments.py {name}")
    return python


class Computing(NamedTuple):
    """What answers are computed in, as `Predictor` names it."""

    engine: str
    precision: str


@contextlib.contextmanager
def in_process(model: Path, info: BundleInfo, computing: Computing, threads: int) -> Iterator[Callable[[], Ask]]:
    """Predictor in this process, called by every client's thread."""
    predictor = Predictor(model, num_threads=threads, precision=computing.precision, engine=computing.engine)

    def ask(text: TextInput) -> None:
        predictor.predict([text])

    yield lambda: ask


@contextlib.contextmanager
def simple_serving(model: Path, info: BundleInfo, computing: Computing, threads: int) -> Iterator[Callable[[], Ask]]:
    """The HTTP service."""
    [port] = free_ports(1)
    script = ROOT / "deploy" / "simple_serving" / f"server_{info.task}.py"
    command: list[str | Path] = [
        python_of("simple_serving"),
        script,
        "--model_path",
        model.resolve(),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--precision_mode",
        computing.precision,
        "--engine",
        computing.engine,
        "--num_threads",
        str(threads),
    ]
    task = TASKS[info.task]
    names = task.text_fields(info.text_format)

    def body(text: TextInput) -> dict[str, Any]:
        return {"data": {name: [value] for name, value in zip(names, task.request_values(text), strict=True)}}

    with tempfile.TemporaryDirectory() as name:
        ready = f"http://127.0.0.1:{port}/ready"
        with running_server(command, Path(name) / "log", lambda: answers(ready)):
            yield lambda: poster(port, f"/{TASKS[info.task].service_path}", body)


@contextlib.contextmanager
def triton(model: Path, info: BundleInfo, computing: Computing, threads: int) -> Iterator[Callable[[], Ask]]:
    """Triton with Python models, one instance of the model for each thread."""
    folder = ROOT / "deploy" / "triton_serving"
    http_port, grpc_port = free_ports(2)
    interface = interface_of(info.task, info.text_format in PAIR_FORMATS)

    def body(text: TextInput) -> dict[str, Any]:
        given = [value if isinstance(value, list) else [value] for value in TASKS[info.task].request_values(text)]
        return {
            "inputs": [
                {"name": item.name, "datatype": "BYTES", "shape": [1, len(values)], "data": values}
                for item, values in zip(interface.texts, given, strict=True)
            ]
        }

    python = python_of("triton_serving")
    with tempfile.TemporaryDirectory() as name:
        repository = Path(name) / "models"
        subprocess.run(
            [
                python,
                folder / "build_repository.py",
                "--model_path",
                model,
                "--model_repository",
                repository,
                "--precision",
                computing.precision,
                "--engine",
                computing.engine,
                "--num_threads",
                "1",
                "--instances",
                str(threads),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        command: list[str | Path] = [
            python,
            folder / "start_server.py",
            "--model_repository",
            repository,
            "--host",
            "127.0.0.1",
            "--http_port",
            str(http_port),
            "--grpc_port",
            str(grpc_port),
            "--metrics_port",
            "0",
        ]
        ready = f"http://127.0.0.1:{http_port}/v2/health/ready"
        with running_server(command, Path(name) / "log", lambda: answers(ready), 120):
            yield lambda: poster(http_port, f"/v2/models/{interface.name}/infer", body)


def fastdeploy(args: Any) -> dict[str, Any]:
    """FastDeploy in a process of its own Python: figures by number of clients (see serving_fastdeploy.py)."""
    command: list[str | Path] = [
        python_of("python"),
        Path(__file__).with_name("serving_fastdeploy.py"),
        "--model_path",
        args.model_path,
        "--texts",
        args.texts,
        "--max_texts",
        str(args.max_texts),
        "--clients",
        *map(str, args.clients),
        "--seconds",
        str(args.seconds),
        "--num_threads",
        str(args.num_threads),
        "--precision_mode",
        args.precision_mode,
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


DEPLOYMENTS = {"Predictor in process": in_process, "HTTP service": simple_serving, "Triton": triton}
FASTDEPLOY = "FastDeploy in process"
ENVIRONMENTS = {"HTTP service": "simple_serving", "Triton": "triton_serving", FASTDEPLOY: "python"}


def has_engine(python: Path, engine: str) -> bool:
    """Whether an environment can open models in an engine."""
    return subprocess.run([python, "-c", f"import {engine}"], check=False, capture_output=True).returncode == 0


def what_runs(args: Any) -> list[tuple[str, str]]:
    """Deployments by engine; what is missing is told in a line each, before anything is measured."""
    found = []
    for deployment, engine in itertools.product((*DEPLOYMENTS, FASTDEPLOY), args.engine):
        try:
            python = python_of(ENVIRONMENTS[deployment]) if deployment in ENVIRONMENTS else Path(sys.executable)
            if deployment == FASTDEPLOY:
                if engine != args.engine[0]:
                    continue  # it has engines of its own, and stands in the table once
                if args.precision_mode == "int8":
                    read_bundle(args.model_path).path("onnx_int8")  # unlike the others it does not make one itself
            elif not has_engine(python, engine):
                raise ConfigError(f"{engine} is not installed: {python} -m pip install {engine}")
            found.append((deployment, engine))
        except (BundleError, ConfigError) as error:
            print(f"{deployment}, {engine}: left out: {error}", file=sys.stderr, flush=True)
    return found


def run(args: Any) -> dict[str, Any]:
    """Measure every deployment with every number of clients."""
    info = read_bundle(args.model_path).info
    texts = read_inputs(args.texts, info.text_format)[: args.max_texts]
    results: dict[str, Any] = {}
    for name, engine in what_runs(args):
        if name == FASTDEPLOY:
            results[name] = fastdeploy(args)
            continue
        computing = Computing(engine, args.precision_mode)
        with DEPLOYMENTS[name](args.model_path, info, computing, args.num_threads) as make_ask:
            results[f"{name}, {engine}"] = {
                str(clients): measure(make_ask, texts, clients, args.seconds) for clients in args.clients
            }
        print(f"{name}, {engine}: done", file=sys.stderr, flush=True)
    return {
        "texts": len(texts),
        "engines": args.engine,
        "precision": args.precision_mode,
        "threads": args.num_threads,
        "deployments": results,
    }


def show(report: dict[str, Any]) -> str:
    """The table; the last column is the ratio to the first row, Predictor with as many clients."""
    base = next(iter(report["deployments"].values()))
    lines = [f"{'deployment':<34} {'clients':>7} {'requests/s':>11} {'p50, ms':>9} {'p99, ms':>9} {'ratio':>6}"]
    for name, by_clients in report["deployments"].items():
        for clients, item in by_clients.items():
            ratio = item["requests_per_second"] / base[clients]["requests_per_second"]
            lines.append(
                f"{name:<34} {clients:>7} {item['requests_per_second']:>11.1f} {item['p50_ms']:>9.1f} "
                f"{item['p99_ms']:>9.1f} {ratio:>6.2f}"
            )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments, measure, print."""
    parser = OneLineParser(prog="serving.py", description=__doc__)
    parser.add_argument("--model_path", type=Path, required=True, help="bundle")
    parser.add_argument("--texts", type=Path, required=True, help="inputs, as infer_cpu.py --input_file reads them")
    parser.add_argument("--max_texts", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16], help="(default: 1 16)")
    parser.add_argument("--seconds", type=float, default=10, help="measured for each (default: %(default)s)")
    parser.add_argument("--num_threads", type=int, default=2, help="that may compute (default: %(default)s)")
    parser.add_argument("--precision_mode", default="int8", choices=PRECISIONS, help="(default: %(default)s)")
    parser.add_argument(
        "--engine",
        nargs="+",
        default=["onnxruntime"],
        choices=("onnxruntime", "openvino"),
        help="one or both; openvino has to be installed in .venvs/simple_serving and .venvs/triton_serving "
        "(default: onnxruntime)",
    )
    parser.add_argument("--output", type=Path, help="write the figures here as JSON, too")
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        report = run(args)
    if args.output:
        write_json(args.output, report)
    print(show(report))


if __name__ == "__main__":
    main()
