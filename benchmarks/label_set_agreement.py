"""Whether the multi-label deployments give the label sets of multi_label/predict.py.

    make test-deploy    # builds the environments in .venvs
    python benchmarks/label_set_agreement.py --params_path checkpoint --data_file data/data.txt

Exports the model, predicts the first --max_texts texts of the file with Paddle (predict.py), starts the HTTP service,
Triton and Paddle Serving on the bundle, asks each the same texts and prints how many label sets are equal, and the
texts that are not. A deployment whose environment was not built is left out, and a line says so.
"""

import contextlib
import json
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from script_runs import run_script

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.data.label_sets import UNLABELLED_FILE, read_texts, split_line
from ernie_toolkit.errors import ConfigError, ToolkitError
from ernie_toolkit.files import write_text
from ernie_toolkit.paddle_serving.wire import parse_answer, request_columns
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.triton.interface import interface_of

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))  # servers are started as the tests start them

from servers import free_ports, running_server  # noqa: E402
from serving import answers, python_of  # noqa: E402

SCRIPTS = ROOT / "multi_label"
BATCH = 50
Ask = Callable[[Sequence[str]], list[set[str]]]
"""Texts, at most `BATCH`, to the names of the labels of each."""


def post(url: str, body: Any) -> dict[str, Any]:
    """The JSON answer of a request."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return dict(json.load(response))


@contextlib.contextmanager
def simple_serving(bundle: Path, folder: Path) -> Iterator[Ask]:
    """The HTTP service."""
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [
        python_of("simple_serving"),
        SCRIPTS / "deploy/simple_serving/server.py",
        "--model_path",
        bundle,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]

    def ask(texts: Sequence[str]) -> list[set[str]]:
        answer = post(f"{url}/{TASKS['multi_label'].service_path}", {"data": {"text": list(texts)}})
        return [set(names) for names in answer["result"]["label_name"]]

    with running_server(command, folder / "http.log", lambda: answers(f"{url}/ready")):
        yield ask


@contextlib.contextmanager
def triton(bundle: Path, folder: Path) -> Iterator[Ask]:
    """Triton with Python models."""
    http, grpc = free_ports(2)
    python, scripts = python_of("triton_serving"), ROOT / "deploy/triton_serving"
    build: list[str | Path] = [
        python,
        scripts / "build_repository.py",
        "--model_path",
        bundle,
        "--model_repository",
        folder / "models",
    ]
    run_script(build, sys.stderr)
    command: list[str | Path] = [
        python,
        scripts / "start_server.py",
        "--model_repository",
        folder / "models",
        "--host",
        "127.0.0.1",
        "--http_port",
        str(http),
        "--grpc_port",
        str(grpc),
        "--metrics_port",
        "0",
    ]
    interface = interface_of("multi_label", False)

    def ask(texts: Sequence[str]) -> list[set[str]]:
        given = {"name": interface.texts[0].name, "datatype": "BYTES", "shape": [len(texts), 1], "data": list(texts)}
        answer = post(f"http://127.0.0.1:{http}/v2/models/{interface.name}/infer", {"inputs": [given]})
        [names] = [output["data"] for output in answer["outputs"] if output["name"] == "label_name"]
        return [set(json.loads(item)) for item in names]

    with running_server(command, folder / "triton.log", lambda: answers(f"http://127.0.0.1:{http}/v2/health/ready")):
        yield ask


@contextlib.contextmanager
def paddle_serving(bundle: Path, folder: Path) -> Iterator[Ask]:
    """Paddle Serving's pipeline, by HTTP."""
    rpc, http = free_ports(2)
    command: list[str | Path] = [
        python_of("paddle_serving"),
        SCRIPTS / "deploy/paddle_serving/service.py",
        "--model_path",
        bundle,
        "--rpc_port",
        str(rpc),
        "--http_port",
        str(http),
        "--log_dir",
        folder / "paddle",
    ]
    url = f"http://127.0.0.1:{http}/seq_cls/prediction"

    def ask(texts: Sequence[str]) -> list[set[str]]:
        columns = request_columns(texts, None)
        answer = post(url, {"key": list(columns), "value": list(columns.values())})
        columns = dict(zip(answer["key"], answer["value"], strict=True))
        return [set(item["label_names"]) for item in parse_answer(answer["err_no"], answer["err_msg"], columns)]

    def ready() -> bool:
        try:
            return bool(ask(["物流"]))
        except (OSError, ToolkitError, ValueError):
            return False

    with running_server(command, folder / "paddle.log", ready):
        yield ask


DEPLOYMENTS = {"HTTP service": simple_serving, "Triton": triton, "Paddle Serving": paddle_serving}


def compare(params: Path, texts: Sequence[str], folder: Path) -> None:
    """Predict, serve, ask, print."""
    write_text(folder / "data" / UNLABELLED_FILE, "".join(text + "\n" for text in texts))
    run_script(
        [
            sys.executable,
            SCRIPTS / "predict.py",
            "--params_path",
            params,
            "--dataset_dir",
            folder / "data",
            "--output_file",
            folder / "predicted.txt",
        ],
        sys.stderr,
    )
    lines = (folder / "predicted.txt").read_text(encoding="utf-8").splitlines()
    wanted = [set(split_line(line, "predicted.txt")[1]) for line in lines]
    run_script(
        [
            sys.executable,
            SCRIPTS / "export_model.py",
            "--params_path",
            params,
            "--output_path",
            folder / "export",
            "--legacy_pdmodel",
            "false",
        ],
        sys.stderr,
    )
    print(f"{len(texts)} texts, {len(set(map(frozenset, wanted)))} different label sets of predict.py", flush=True)
    for name, deployment in DEPLOYMENTS.items():
        try:
            with deployment(folder / "export", folder) as ask:
                found = [
                    labels for start in range(0, len(texts), BATCH) for labels in ask(texts[start : start + BATCH])
                ]
        except ConfigError as error:
            print(f"{name}: left out: {error}", file=sys.stderr, flush=True)
            continue
        other = [place for place, pair in enumerate(zip(found, wanted, strict=True)) if pair[0] != pair[1]]
        print(f"{name}: {len(texts) - len(other)} equal", flush=True)
        for place in other:
            print(f"  {texts[place]}: {sorted(found[place])} instead of {sorted(wanted[place])}")


def main() -> None:
    """Parse arguments, compare."""
    parser = OneLineParser(prog="label_set_agreement.py", description=__doc__)
    parser.add_argument("--params_path", type=Path, default=Path("checkpoint"), help="trained multi-label model")
    parser.add_argument("--data_file", type=Path, default=Path("data/data.txt"), help="texts, one a line")
    parser.add_argument("--max_texts", type=int, default=200, help="(default: %(default)s)")
    args = parser.parse_args()
    with exit_on_toolkit_error(parser.prog), tempfile.TemporaryDirectory() as name:
        compare(args.params_path, read_texts(args.data_file)[: args.max_texts], Path(name))


if __name__ == "__main__":
    main()
