"""Triton with a multi-label model: PaddleNLP's names of the models, label sets in rectangular tensors."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from label_sets import REQUESTS, TEXTS, Found, assert_same_sets, expected_sets
from tiny import ROOT
from triton_server import Triton, build, triton

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.data.sample.reviews import LABELS

CLIENT = ROOT / "multi_label/deploy/triton_serving/seqcls_grpc_client.py"


@pytest.fixture(scope="module")
def python(environment: Callable[[str], Path]) -> Path:
    return environment("triton_serving")


@pytest.fixture(scope="module", params=["fp32", "int8"])
def serving(
    request: pytest.FixtureRequest, python: Path, multi_label_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Triton]]:
    folder = tmp_path_factory.mktemp(request.param)
    options = ("--precision", request.param, "--num_threads", "1")
    build(python, multi_label_bundle, folder / "models", *options)
    with triton(python, folder / "models", folder / "log") as server:
        yield request.param, server


def sets_of(answers: list[dict[str, Any]]) -> list[Found]:
    """The labels of each text, whose names fit their indices."""
    for answer in answers:
        assert answer["label_names"] == [LABELS[index] for index in answer["labels"]]
    return [dict(zip(answer["labels"], answer["confidences"], strict=True)) for answer in answers]


def infer(server: Triton, texts: list[str]) -> dict[str, dict[str, Any]]:
    """The output tensors of an HTTP request."""
    inputs = [{"name": "INPUT", "datatype": "BYTES", "shape": [len(texts), 1], "data": texts}]
    status, body = server.post("/v2/models/seqcls/infer", {"inputs": inputs})
    assert status == 200, body
    return {output["name"]: output for output in body["outputs"]}


def test_grpc_gives_the_predictors_label_sets(serving: tuple[str, Triton], multi_label_bundle: Path) -> None:
    precision, server = serving
    answers = server.ask("multi_label", REQUESTS)
    got = [found for answer in answers for found in sets_of(answer)]
    expected = expected_sets(multi_label_bundle, precision)
    assert_same_sets(got, expected, read_bundle(multi_label_bundle).info.thresholds)
    assert {len(found) for found in got} > {2, 4, 6}


def test_http_tensors_are_filled_up(serving: tuple[str, Triton]) -> None:
    _, server = serving
    [answers] = server.ask("multi_label", [TEXTS[:20]])
    outputs = infer(server, TEXTS[:20])
    widest = max(len(answer["labels"]) for answer in answers)
    assert outputs["label"]["shape"] == outputs["confidence"]["shape"] == [20, widest]
    assert outputs["label_name"]["shape"] == [20, 1]
    for row, answer in enumerate(answers):
        count, place = len(answer["labels"]), slice(row * widest, (row + 1) * widest)
        assert outputs["label"]["data"][place] == answer["labels"] + [-1] * (widest - count)
        assert outputs["confidence"]["data"][place][count:] == [0.0] * (widest - count)
        assert json.loads(outputs["label_name"]["data"][row]) == answer["label_names"]


def test_the_models_have_the_guides_names(serving: tuple[str, Triton]) -> None:
    _, server = serving
    status, index = server.post("/v2/repository/index", {})
    assert status == 200
    names = {model["name"] for model in index}  # type: ignore[index]
    assert names == {"seqcls", "seqcls_model", "seqcls_postprocess", "tokenizer"}


def test_bad_requests_are_refused_and_the_server_goes_on(serving: tuple[str, Triton]) -> None:
    _, server = serving
    bad, good = server.ask("multi_label", [["快递", " "], ["快递"]])
    assert bad.startswith("input 2 is an empty text")
    assert isinstance(good, list)
    for data, shape in ((["x"] * 65, [65, 1]), (["x", "y"], [1, 2]), (["快递", " "], [2, 1])):
        body = {"inputs": [{"name": "INPUT", "datatype": "BYTES", "shape": shape, "data": data}]}
        status, answer = server.post("/v2/models/seqcls/infer", body)
        assert 400 <= status < 600 and ("input 2 is an empty text" in answer["error"] or data[0] == "x"), answer
    assert infer(server, ["快递"])["label"]["shape"][0] == 1


def test_the_client_script_and_the_stop(serving: tuple[str, Triton]) -> None:
    _, server = serving

    def client(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([server.python, CLIENT, *arguments], capture_output=True, text=True, check=False)

    done = client("--url", f"127.0.0.1:{server.grpc}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("text: ") == done.stdout.count("label: ") == done.stdout.count("confidence: ") == 3
    assert server.server.stop() == 0
    assert not server.server.alive()
    refused = client("--url", f"127.0.0.1:{server.grpc}")
    assert refused.returncode == 2 and len(refused.stderr.strip().splitlines()) == 1


def test_every_backend_has_a_configuration(python: Path, multi_label_bundle: Path, tmp_path: Path) -> None:
    for backend in ("python", "onnxruntime", "fastdeploy"):
        build(python, multi_label_bundle, tmp_path / backend, "--backend", backend)
        config = (tmp_path / backend / "seqcls_model" / "config.pbtxt").read_text(encoding="utf-8")
        assert f'backend: "{backend}"' in config and f"dims: {len(LABELS)}" in config
