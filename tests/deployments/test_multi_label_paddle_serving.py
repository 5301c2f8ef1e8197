"""Paddle Serving for real: RPC and HTTP, requests as PaddleNLP's clients send them, bad ones, stops."""

import ast
import contextlib
import json
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from label_sets import REQUESTS, TEXTS, Found, assert_same_sets, expected_sets
from light_imports import check_imports_no_paddle
from servers import Server, free_ports, running_server
from tiny import ROOT

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.data.sample.reviews import LABELS

DEPLOY = ROOT / "multi_label/deploy/paddle_serving"
USER_INPUT_ERROR = 5000
# Runs in Paddle Serving's environment: sends each job as its own client does, from some threads at once.
ASK = """
import contextlib, io, json, os, sys, tempfile
from concurrent.futures import ThreadPoolExecutor
import numpy as np

job = json.load(sys.stdin)
with tempfile.TemporaryDirectory() as folder:
    os.environ["SERVING_LOG_PATH"] = os.environ["SERVING_HOME"] = folder
    from paddle_serving_server.pipeline import PipelineClient

client = PipelineClient()
client.connect([job["address"]])

def one(feed):
    if job["kind"] == "bytes":
        feed["sentence"] = np.array([text.encode() for text in feed["sentence"]], dtype=np.object_)
    if job["kind"] == "json":
        feed["sentence"] = json.dumps(feed["sentence"])
    tensors = job["kind"] == "tensor"
    if tensors:
        feed["sentence"] = np.array(feed["sentence"])
    answer = client.predict({**feed, "clientip": ""}, pack_tensor_format=tensors, use_tensor_bytes=tensors)
    return answer.err_no, answer.err_msg, dict(zip(answer.key, answer.value))

with ThreadPoolExecutor(job["threads"]) as pool, contextlib.redirect_stdout(io.StringIO()):
    answers = list(pool.map(one, job["feeds"]))
print(json.dumps(answers))
"""


@dataclass(frozen=True)
class Service:
    """A running service, and how to ask it."""

    server: Server
    python: Path
    rpc_port: int
    http_port: int

    def rpc(self, kind: str, feeds: Sequence[Mapping[str, Any]], threads: int = 1) -> list[list[Any]]:
        """`err_no`, `err_msg` and the strings of each answer."""
        job = {"kind": kind, "feeds": feeds, "address": f"127.0.0.1:{self.rpc_port}", "threads": threads}
        command = [self.python, "-c", ASK]
        done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        answers: list[list[Any]] = json.loads(done.stdout)
        return answers

    def post(self, body: Mapping[str, Any], path: str = "/seq_cls/prediction") -> dict[str, Any]:
        """The JSON answer of an HTTP request."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return dict(json.load(answer))

    def http(self, sentence: str, **further: str) -> dict[str, Any]:
        """The strings of an answer."""
        columns = {"sentence": sentence, **further}
        answer = self.post({"key": list(columns), "value": list(columns.values())})
        assert answer["err_no"] == 0, answer
        return dict(zip(answer["key"], answer["value"], strict=True))


def answers_at(port: int) -> bool:
    """Whether something listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def serving(python: Path, bundle: Path, folder: Path, **operator: Any) -> Iterator[Service]:
    """A service with some settings of its operator changed."""
    config = yaml.safe_load((DEPLOY / "config.yml").read_text(encoding="utf-8"))
    config["op"]["seq_cls"].update(operator)
    (folder / "config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    rpc_port, http_port = free_ports(2)
    command = [
        python,
        DEPLOY / "service.py",
        "--config",
        folder / "config.yml",
        "--model_path",
        bundle,
        "--rpc_port",
        str(rpc_port),
        "--http_port",
        str(http_port),
        "--log_dir",
        folder / "log",
    ]
    with running_server(command, folder / "out", lambda: answers_at(rpc_port) and answers_at(http_port)) as server:
        yield Service(server, python, rpc_port, http_port)


def sets_of(columns: Mapping[str, str]) -> list[Found]:
    """The labels of each text in an answer, whose names fit their indices."""
    labels, names, confidences = (json.loads(columns[name]) for name in ("label", "label_name", "confidence"))
    sets = []
    for joined, named, values in zip(labels, names, confidences, strict=True):
        indices = [int(index) for index in joined.split(",") if index]
        assert named == [LABELS[index] for index in indices]
        sets.append(dict(zip(indices, values, strict=True)))
    return sets


@pytest.fixture(scope="module")
def python(environment: Callable[[str], Path]) -> Path:
    return environment("paddle_serving")


@pytest.fixture(scope="module")
def thresholds(multi_label_bundle: Path) -> tuple[float, ...]:
    return read_bundle(multi_label_bundle).info.thresholds


@pytest.fixture(scope="module")
def service(python: Path, multi_label_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(python, multi_label_bundle, tmp_path_factory.mktemp("fp32")) as running:
        yield running


@pytest.mark.parametrize("kind", ["bytes", "list", "json"])
def test_rpc_gives_the_predictors_label_sets(
    service: Service, multi_label_bundle: Path, thresholds: tuple[float, ...], kind: str
) -> None:
    answers = service.rpc(kind, [{"sentence": texts} for texts in REQUESTS])
    assert [number for number, _, _ in answers] == [0, 0]
    got = [found for _, _, columns in answers for found in sets_of(columns)]
    assert_same_sets(got, expected_sets(multi_label_bundle), thresholds)
    assert {len(found) for found in got} > {2, 4, 6}


def test_int8_label_sets_are_predictors(
    python: Path, multi_label_bundle: Path, thresholds: tuple[float, ...], tmp_path: Path
) -> None:
    with serving(python, multi_label_bundle, tmp_path, precision="int8") as service:
        got = [found for texts in REQUESTS for found in sets_of(service.http(json.dumps(texts)))]
        assert "engine: onnxruntime int8 (the bundle recommends none)\n" in service.server.output()
    # Kernels of older releases of ONNX Runtime round otherwise.
    assert_same_sets(got, expected_sets(multi_label_bundle, "int8"), thresholds, 2e-2)


def test_http_takes_what_paddlenlps_client_sends(service: Service) -> None:
    """An array's `repr` one way; the other way Python's, whose strings are indices joined by commas."""
    array = np.array([text.encode() for text in TEXTS], dtype=np.object_)
    answer = service.post({"key": ["sentence"], "value": [repr(array)]})
    assert (answer["err_no"], answer["key"][0]) == (0, "label")
    labels = ast.literal_eval(answer["value"][0])
    assert labels == [",".join(map(str, found)) for found in sets_of(service.http(json.dumps(TEXTS)))]


def test_prob_limit_of_a_request_and_of_the_service(
    service: Service, python: Path, multi_label_bundle: Path, tmp_path: Path
) -> None:
    expected = expected_sets(multi_label_bundle, threshold=0.6)
    asked = json.dumps(TEXTS)
    assert_same_sets(sets_of(service.http(asked, prob_limit="0.6")), expected, (0.6,) * len(LABELS))
    assert sets_of(service.http('["快递"]', prob_limit="1")) == [{}]
    with serving(python, multi_label_bundle, tmp_path, prob_limit=0.6) as other:
        assert_same_sets(sets_of(other.http(asked)), expected, (0.6,) * len(LABELS))
        assert len(sets_of(other.http('["快递"]', prob_limit="0"))[0]) == len(LABELS)


def test_requests_that_share_a_batch_get_their_own_answers(
    python: Path, multi_label_bundle: Path, thresholds: tuple[float, ...], tmp_path: Path
) -> None:
    expected = {None: expected_sets(multi_label_bundle), "0.55": expected_sets(multi_label_bundle, threshold=0.55)}
    limits = [[None, "0.55"][number % 2] for number in range(len(TEXTS))]
    feeds: list[dict[str, Any]] = [
        {"sentence": [text] * (1 + number % 3), **({"prob_limit": limit} if limit else {})}
        for number, (text, limit) in enumerate(zip(TEXTS, limits, strict=True))
    ]
    feeds[7]["sentence"] = [" "]
    with serving(python, multi_label_bundle, tmp_path, batch_size=8, auto_batching_timeout=50) as service:
        answers = service.rpc("bytes", feeds, threads=8)
    for number, (error, reason, columns) in enumerate(answers):
        if number == 7:
            assert error == USER_INPUT_ERROR and "empty text" in reason
            continue
        assert error == 0, reason
        limit = limits[number]
        used = thresholds if limit is None else (float(limit),) * len(LABELS)
        wanted = [expected[limit][number]] * len(feeds[number]["sentence"])
        assert_same_sets(sets_of(columns), wanted, used)


def test_bad_requests_are_refused_with_a_reason_and_the_service_goes_on(service: Service, tmp_path: Path) -> None:
    marker = tmp_path / "was_run"
    bad = [
        ("快递", "must be a list of texts as JSON"),
        ("3", "must be a list of texts"),
        ("[]", "is empty"),
        ('["a", 3]', "sentence[1] is '3'"),
        ('["a", "\\ud800"]', "surrogate"),
        (json.dumps(["a"] * 129), "a request may have 128"),
        ("[" * 100_000, "must be a list"),
        ("array([b'\\xff'], dtype=object)", "not UTF-8"),
        ("array([b'a', ..., b'b'], dtype=object)", "none left out"),
        (f"array([__import__('pathlib').Path({str(marker)!r}).touch()])", "must be one list of texts"),
        (f"array(['a'], dtype=__import__('pathlib').Path({str(marker)!r}).touch())", "must be one list of texts"),
    ]
    for sentence, reason in bad:
        answer = service.post({"key": ["sentence"], "value": [sentence]})
        assert answer["err_no"] == USER_INPUT_ERROR and reason in answer["err_msg"], (sentence[:50], answer)
    for key, value, reason in (
        (["text"], ["[]"], "no key 'sentence'"),
        (["sentence", "x"], ["[]"], "one for each"),
        (["sentence", "prob_limit"], ['["a"]', "2"], "between 0 and 1"),
        (["sentence", "prob_limit"], ['["a"]', "nan"], "between 0 and 1"),
    ):
        answer = service.post({"key": key, "value": value})
        assert answer["err_no"] == USER_INPUT_ERROR and reason in answer["err_msg"], answer
    # Paddle Serving's own reading of tensors would unpickle these.
    [(error, reason, _)] = service.rpc("tensor", [{"sentence": ["a"]}])
    assert error == USER_INPUT_ERROR and "no tensors" in reason
    assert service.post({"key": [], "value": []}, "/other/prediction")["err_no"] != 0
    assert not marker.exists()
    assert sets_of(service.http('["快递"]'))


def test_the_client_scripts(service: Service) -> None:
    def client(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [service.python, DEPLOY / name, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    url, address = f"http://127.0.0.1:{service.http_port}/seq_cls/prediction", f"127.0.0.1:{service.rpc_port}"
    printed = [client("http_client.py", "--url", url), client("rpc_client.py", "--address", address)]
    assert printed[0].stdout == printed[1].stdout, printed
    assert printed[0].stdout.count("text: ") == printed[0].stdout.count("label: ") == 3
    for done, reason in (
        (client("http_client.py", "--url", url, "--prob_limit", "7"), "--prob_limit is 7.0: it must"),
        (client("rpc_client.py", "--address", address, "--text", " "), "empty text"),
        (client("http_client.py", "--url", "http://127.0.0.1:9/seq_cls/prediction"), "is the service running?"),
        (client("rpc_client.py", "--address", "127.0.0.1:9"), "is the service running?"),
    ):
        assert done.returncode == 2 and reason in done.stderr and len(done.stderr.strip().splitlines()) == 1, done


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_stop_leaves_nothing(python: Path, multi_label_bundle: Path, tmp_path: Path, number: signal.Signals) -> None:
    with serving(python, multi_label_bundle, tmp_path) as service:
        assert sets_of(service.http('["快递"]'))
        service.server.process.send_signal(number)
        assert service.server.process.wait(20) == (-number if number == signal.SIGKILL else 0)
        end = time.monotonic() + 10
        while service.server.alive():
            assert time.monotonic() < end
            time.sleep(0.05)
        assert not answers_at(service.rpc_port) and not answers_at(service.http_port)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yml", "log", "out"]


def test_the_service_imports_no_paddle(python: Path) -> None:
    check_imports_no_paddle(python, "paddle_serving", "yaml")  # Paddle Serving itself imports yaml


def test_the_module_beside_the_service_gives_the_librarys_names(python: Path, tmp_path: Path) -> None:
    code = (
        "import label_pipeline as face; from ernie_toolkit.paddle_serving import pipeline\n"
        "assert all(getattr(face, name) is getattr(pipeline, name) for name in face.__all__)"
    )
    # Paddle Serving writes logs into the working directory when it is imported.
    env = {"PYTHONPATH": str(DEPLOY), "SERVING_LOG_PATH": str(tmp_path), "SERVING_HOME": str(tmp_path)}
    done = subprocess.run([python, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_mistakes_are_one_line(python: Path, multi_label_bundle: Path, bundle: Any, tmp_path: Path) -> None:
    def fails(config: Any, *arguments: str | Path) -> str:
        text = config if isinstance(config, str) else yaml.safe_dump(config)
        (tmp_path / "config.yml").write_text(text, encoding="utf-8")
        command = [python, DEPLOY / "service.py", "--config", tmp_path / "config.yml", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1, done
        return done.stderr

    rpc_port, http_port = free_ports(2)
    ports = {"rpc_port": rpc_port, "http_port": http_port}
    model = ("--model_path", multi_label_bundle)

    def operator(**settings: Any) -> dict[str, Any]:
        return {**ports, "op": {"seq_cls": settings}}

    assert "must be a mapping" in fails("- 1")
    assert "config.yml" in fails("a: [")
    assert "op.seq_cls" in fails({**ports, "op": {"other": {}}})
    assert "no model_path" in fails(operator())
    assert "is not a bundle" in fails(operator(model_path="nowhere"))
    assert "is_thread_op must be true" in fails({**operator(), "dag": {"is_thread_op": False}}, *model)
    assert "give model_path" in fails(operator(local_service_conf={"model_config": "x"}), *model)
    assert "rpc_port is 80" in fails({**operator(), "rpc_port": 80}, *model)
    assert "op.seq_cls.precision is 'int4', which is not known" in fails(operator(precision="int4"), *model)
    assert "op.seq_cls.engine is 'tensorflow', which is not" in fails(operator(engine="tensorflow"), *model)
    assert "op.seq_cls.engine is 7" in fails(operator(engine=7), *model)
    assert "max_texts is 0" in fails(operator(max_texts=0), *model)
    assert "between 0 and 1" in fails(operator(prob_limit=3), *model)
    assert "task 'seq_cls'" in fails(operator(), "--model_path", bundle.directory)
    with socket.socket() as taken:
        taken.bind(("", http_port))
        taken.listen()
        assert f"--http_port {http_port}" in fails(operator(), *model)
