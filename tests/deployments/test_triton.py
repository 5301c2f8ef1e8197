"""Triton for real: the repository that build_repository.py writes, on the tritonserver of the nvidia-pytriton wheel."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from answers import INPUTS, assert_same_answers, expected_answers
from tiny import ROOT
from triton_server import DEPLOY, Triton, build, triton

from ernie_toolkit.triton.interface import interface_of, text_arrays

ENSEMBLES = {
    "seq_cls": "ernie_seqcls",
    "token_cls": "ernie_tokencls",
    "qa": "ernie_qa",
    "multiple_choice": "ernie_multiple_choice",
}


@pytest.fixture(scope="module")
def python(environment: Callable[[str], Path]) -> Path:
    return environment("triton_serving")


@pytest.fixture(scope="module")
def repositories(
    bundles: dict[str, Path], python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """A repository of the three tasks in a precision."""

    def make(precision: str) -> Path:
        repository = tmp_path_factory.mktemp(precision) / "models"
        for bundle in bundles.values():
            build(python, bundle, repository, "--precision", precision, "--num_threads", "1", "--max_batch_size", "32")
        return repository

    return make


@pytest.fixture(scope="module", params=["fp32", "int8"])
def serving(
    request: pytest.FixtureRequest,
    repositories: Callable[[str], Path],
    python: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, Triton]]:
    with triton(python, repositories(request.param), tmp_path_factory.mktemp("log") / "triton.log") as server:
        yield request.param, server


def normal(task: str, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Label indices as the labels of the bundles, which are the same digits."""
    return [{**answer, "label": str(answer["label"])} for answer in answers] if task == "seq_cls" else answers


@pytest.mark.parametrize("task", list(INPUTS))
def test_grpc_gives_the_predictors_answers(serving: tuple[str, Triton], bundles: dict[str, Path], task: str) -> None:
    precision, server = serving
    [answers] = server.ask(task, [INPUTS[task]])
    assert not isinstance(answers, str), answers
    assert_same_answers(task, normal(task, answers), expected_answers(bundles[task], task, precision))


@pytest.mark.parametrize("task", list(INPUTS))
def test_http_gives_what_grpc_gives(serving: tuple[str, Triton], task: str) -> None:
    _, server = serving
    interface = interface_of(task, task == "seq_cls")
    columns = zip(interface.texts, text_arrays(INPUTS[task], interface), strict=True)
    inputs = [
        {
            "name": item.name,
            "datatype": "BYTES",
            "shape": list(array.shape),
            "data": [text.decode() for text in array.ravel().tolist()],
        }
        for item, array in columns
    ]
    status, body = server.post(f"/v2/models/{ENSEMBLES[task]}/infer", {"inputs": inputs})
    assert status == 200, body
    outputs = {output["name"]: output["data"] for output in body["outputs"]}
    [answers] = server.ask(task, [INPUTS[task]])
    if task == "token_cls":
        found = [[entity["entity"] for entity in json.loads(text)] for text in outputs["OUTPUT"]]
        assert found == [[entity["text"] for entity in answer["entities"]] for answer in answers]
    else:
        name = {"seq_cls": "label", "multiple_choice": "choice"}.get(task, "answer")
        assert outputs[name] == [answer[name] for answer in answers]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_many_clients_at_once_get_their_own_answers_and_share_batches(
    bundles: dict[str, Path], python: Path, tmp_path: Path, precision: str
) -> None:
    repository = tmp_path / "models"
    # Half a second for others to come: of 16 clients at once some do.
    options = ("--precision", precision, "--num_threads", "1", "--max_queue_delay", "500000")
    build(python, bundles["token_cls"], repository, *options)
    expected = expected_answers(bundles["token_cls"], "token_cls")
    numbers = [n % len(expected) for n in range(96)]
    with triton(python, repository, tmp_path / "log") as server:
        answers = server.ask("token_cls", [[INPUTS["token_cls"][n]] for n in numbers], threads=16)
        [figures] = server.get("/v2/models/ernie_tokencls_model/stats")["model_stats"]
    for number, answer in zip(numbers, answers, strict=True):
        assert not isinstance(answer, str), answer
        # Ranges of dynamic INT8 depend on which requests meet: there the answers are only alike.
        if precision == "fp32":
            assert_same_answers("token_cls", answer, [expected[number]])
        else:
            text = INPUTS["token_cls"][number]
            assert answer[0]["entities"] and all(
                text[item["start"] : item["end"]] == item["text"] for item in answer[0]["entities"]
            )
    assert figures["inference_stats"]["success"]["count"] == len(numbers)
    assert figures["execution_count"] < len(numbers) / 2


def test_bad_requests_are_refused_and_the_server_goes_on(serving: tuple[str, Triton]) -> None:
    _, server = serving
    bad, pair, good = server.ask("token_cls", [["白埠市", ""], [["白埠市", "枫坪村"]], ["白埠市"]])
    assert bad.startswith("input 2 is an empty text") and "this model reads single texts" in pair
    assert isinstance(good, list)
    [bad] = server.ask("seq_cls", [["怎么还款"]])
    assert "input 1 is one text" in bad and "this model reads pairs" in bad
    path = "/v2/models/ernie_tokencls/infer"
    for data, shape, part in (
        (["x"] * 33, [33, 1], "32"),
        (["x", "y"], [1, 2], "shape"),
        (["白埠市", ""], [2, 1], "input 2 is an empty text"),
    ):
        body = {"inputs": [{"name": "INPUT", "datatype": "BYTES", "shape": shape, "data": data}]}
        status, answer = server.post(path, body)
        assert 400 <= status < 600 and part in answer["error"], (status, answer)
    one = {"name": "INPUT", "datatype": "BYTES", "shape": [1, 1], "data": ["怎么还款"]}
    status, answer = server.post("/v2/models/ernie_seqcls/infer", {"inputs": [one]})
    assert 400 <= status < 500 and "2 inputs" in answer["error"], (status, answer)
    assert server.post("/v2/models/ernie_unknown/infer", {"inputs": []})[0] in (400, 404)
    assert isinstance(server.ask("token_cls", [["白埠市"]])[0], list)


def test_a_long_text_takes_more_rows_than_a_batch(serving: tuple[str, Triton]) -> None:
    _, server = serving
    [answers] = server.ask("token_cls", [["记者在枫坪村见到了教师秦昭岫，" * 60]])  # about 45 windows of 32 tokens
    assert isinstance(answers, list), answers
    assert len(answers[0]["entities"]) > 60


@pytest.mark.parametrize("folder", ["triton_serving", "serving"])
def test_the_client_scripts(serving: tuple[str, Triton], folder: str) -> None:
    _, server = serving
    suffix = "grpc" if folder == "triton_serving" else "rpc"
    for task in INPUTS:
        script = ROOT / "deploy" / folder / f"{task}_{suffix}_client.py"
        command = [server.python, script, "--url", f"127.0.0.1:{server.grpc}"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("answer: {") == 2 and "2 answer(s)" in result.stdout
    command = [server.python, ROOT / "deploy" / folder / f"qa_{suffix}_client.py", "--url", "127.0.0.1:9"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "no Triton server answers at" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_stop_and_start_again(repositories: Callable[[str], Path], python: Path, tmp_path: Path) -> None:
    repository = repositories("fp32")
    first: list[Any] = []
    for turn in range(2):
        with triton(python, repository, tmp_path / f"{turn}.log") as server:
            answers = server.ask("qa", [INPUTS["qa"]])
            first = first or answers
            assert answers == first
            assert server.server.stop() == 0
            assert not server.server.alive()


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_fastdeploys_repository_with_the_model_step_exchanged(
    bundles: dict[str, Path], python: Path, tmp_path: Path, precision: str
) -> None:
    """FastDeploy's container cannot run here; its tokenizer and postprocess steps can, around our model step."""
    repository, other = tmp_path / "fastdeploy", tmp_path / "python"
    for task, bundle in bundles.items():
        options = ("--precision", precision, "--max_batch_size", "32")
        build(python, bundle, repository, "--backend", "fastdeploy", *options)
        build(python, bundle, other, "--num_threads", "1", *options)
        model = f"{ENSEMBLES[task]}_model"
        file = "model.onnx" if precision == "fp32" else "model_int8.onnx"
        assert (repository / model / "1" / "model.onnx").read_bytes() == (bundle / file).read_bytes()
        shutil.rmtree(repository / model)
        shutil.copytree(other / model, repository / model)
        for step in ("tokenizer", "postprocess"):
            config = repository / f"{ENSEMBLES[task]}_{step}" / "config.pbtxt"
            config.write_text(config.read_text(encoding="utf-8").replace(f"{model}/1/bundle", f"{model}/1"))
    with triton(python, repository, tmp_path / "log") as server:
        for task in INPUTS:
            [answers] = server.ask(task, [INPUTS[task]])
            assert not isinstance(answers, str), answers
            assert_same_answers(task, normal(task, answers), expected_answers(bundles[task], task, precision))


def test_the_committed_repository_serves_a_bundle_that_is_put_there(
    bundles: dict[str, Path], python: Path, tmp_path: Path
) -> None:
    repository = Path(shutil.copytree(DEPLOY / "models", tmp_path / "models"))
    for task in ("seq_cls", "token_cls", "multiple_choice"):
        shutil.copytree(bundles[task], repository / f"{ENSEMBLES[task]}_model" / "1", dirs_exist_ok=True)
    for step in ("tokenizer", "model", "postprocess"):  # this one stays where it is
        config = repository / f"ernie_qa_{step}" / "config.pbtxt"
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace('"ernie_qa_model/1"', f'"{bundles["qa"]}"'), encoding="utf-8")
    with triton(python, repository, tmp_path / "log") as server:
        for task in INPUTS:
            [answers] = server.ask(task, [INPUTS[task]])
            assert not isinstance(answers, str), answers
            assert_same_answers(task, normal(task, answers), expected_answers(bundles[task], task))


def test_a_bundle_of_other_inputs_is_refused(bundles: dict[str, Path], python: Path, tmp_path: Path) -> None:
    repository, log = tmp_path / "models", tmp_path / "log"
    command = [python, DEPLOY / "build_repository.py", "--without_bundle", "seq_cls", "--single", "--model_repository"]
    subprocess.run([*command, repository], check=True)
    shutil.copytree(bundles["seq_cls"], repository / "ernie_seqcls_model" / "1", dirs_exist_ok=True)
    with pytest.raises(AssertionError), triton(python, repository, log):
        pass
    assert "reads INPUT and INPUT_PAIR: build the repository for it" in log.read_text(encoding="utf-8")


CHECK = """
import json, pathlib, sys
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

found = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*/config.pbtxt")):
    config = text_format.Parse(path.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())
    found[path.parent.name] = json_format.MessageToDict(config, preserving_proto_field_name=True)
print(json.dumps(found))
"""


@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("backend", ["python", "onnxruntime", "fastdeploy"])
def test_configurations_fit_tritons_schema(
    bundles: dict[str, Path], python: Path, tmp_path: Path, backend: str, device: str
) -> None:
    for bundle in bundles.values():
        build(
            python, bundle, tmp_path, "--backend", backend, "--device", device, "--num_threads", "3", "--instances", "2"
        )
    result = subprocess.run([python, "-c", CHECK, tmp_path], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    configs = json.loads(result.stdout)
    assert len(configs) == 4 * len(bundles)
    for name, config in configs.items():
        assert config["name"] == name and (tmp_path / name / "1").is_dir()
    for ensemble in ENSEMBLES.values():
        model = configs[f"{ensemble}_model"]
        assert model["backend"] == backend
        assert model["instance_group"] == [{"count": 2, "kind": f"KIND_{device.upper()}"}]
        assert model["dynamic_batching"]["max_queue_delay_microseconds"] == "2000"
        steps = [step["model_name"] for step in configs[ensemble]["ensemble_scheduling"]["step"]]
        assert steps == [f"{ensemble}_{part}" for part in ("tokenizer", "model", "postprocess")]
        if backend == "fastdeploy":
            accelerators = model["optimization"]["execution_accelerators"]
            [item] = accelerators[f"{device}_execution_accelerator"]
            assert item == {"name": "onnxruntime", "parameters": {"cpu_threads": "3"}}


def test_bad_arguments_are_one_line(bundles: dict[str, Path], tmp_path: Path) -> None:
    for arguments, part in (
        (["--max_batch_size", "0"], "--max_batch_size is 0"),
        (["--backend", "onnxruntime", "--precision", "fp16"], "no file with the role 'onnx_fp16'"),
    ):
        command = [sys.executable, DEPLOY / "build_repository.py", "--model_path", bundles["qa"]]
        result = subprocess.run(
            [*command, "--model_repository", tmp_path, *arguments], capture_output=True, text=True, check=False
        )
        assert result.returncode == 2 and part in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    command = [sys.executable, DEPLOY / "build_repository.py", "--model_path", bundles["qa"], "--model_repository"]
    result = subprocess.run([*command, tmp_path / "file"], capture_output=True, text=True, check=False)
    assert result.returncode == 2 and "file is not a folder" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
