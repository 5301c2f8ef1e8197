"""A bundle that is not what it says of itself is refused when it is opened, by every way to open one."""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ernie_toolkit.bundle import BUNDLE_FILE, Bundle, file_entry, read_bundle, write_bundle_info
from ernie_toolkit.bundle.graph import check_logits, read_graph
from ernie_toolkit.bundle.info import CHECKSUM_KEY
from ernie_toolkit.errors import BundleError, ModelError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.triton.repository import RepositoryOptions, build_repository


@pytest.fixture
def copy(bundle: Bundle, tmp_path: Path) -> Path:
    """A copy of the bundle to change."""
    return Path(shutil.copytree(bundle.directory, tmp_path / "export"))


def describe(directory: Path, **changes: Any) -> None:
    """Change the description, as its writer would: its checksum and those of the files fit."""
    info = dataclasses.replace(read_bundle(directory, verify=False).info, **changes)
    files = {role: file_entry(directory / entry.name) for role, entry in info.files.items()}
    write_bundle_info(directory, dataclasses.replace(info, files=files))


def list_anew(directory: Path) -> None:
    """Write the checksums of files that were changed, as nobody who checks them would."""
    raw = json.loads((directory / BUNDLE_FILE).read_text(encoding="utf-8"))
    raw.pop(CHECKSUM_KEY, None)
    raw["files"] = {role: vars(file_entry(directory / entry["name"])) for role, entry in raw["files"].items()}
    (directory / BUNDLE_FILE).write_text(json.dumps(raw), encoding="utf-8")


def rewrite(directory: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    """Change the graph, and have the description's checksums fit."""
    model = onnx.load(directory / "model.onnx")
    change(model)
    onnx.save(model, directory / "model.onnx")
    list_anew(directory)


def test_what_a_graph_says_of_itself(bundle: Bundle) -> None:
    graph = read_graph(bundle.path("onnx"))
    assert [(value.name, value.dims) for value in graph.inputs] == [("input_ids", (0, 0)), ("token_type_ids", (0, 0))]
    assert [value.dims for value in graph.outputs] == [(0, 2)]
    assert graph.rows == {"input_ids": 7699, "positions": 64, "token_type_ids": 16}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outputs": ("logits",)}, "answers with fetch_name_0, bundle.json says logits"),
        ({"outputs": ()}, "answers with fetch_name_0, bundle.json says"),
        ({"inputs": ("input_ids",)}, "every model reads input_ids, token_type_ids"),
        ({"labels": ("0", "1", "2"), "label_names": None}, "2 classes, bundle.json 3 labels"),
        ({"labels": ("0",), "label_names": None}, "2 classes, bundle.json 1 labels"),
        ({"labels": ("0", "0")}, "a label is there twice"),
        ({"labels": (), "label_names": None}, "no labels"),
        ({"task": "token_cls"}, "2 dimensions, and a model for the task 'token_cls' 3"),
        ({"task": "qa", "labels": (), "label_names": None, "text_format": "question_context"}, "has 1 output"),
        ({"task": "chat"}, "task 'chat' is not known"),
        ({"max_seq_length": 65}, "64 positions, and max_seq_length is 65"),
        ({"max_seq_length": 10**9}, "max_seq_length is 1000000000: it must lie between 5 and 2048"),
        ({"thresholds": (2.0,)}, "thresholds is 2.0: it must lie between 0 and 1"),
        ({"limits": {"doc_stride": -1}}, "limits.doc_stride is -1"),
    ],
)
def test_descriptions_that_do_not_fit_the_graph(copy: Path, changes: dict[str, Any], message: str) -> None:
    info = dataclasses.replace(read_bundle(copy).info, **changes)
    write_bundle_info(copy, info)
    for verify in (True, False):
        options = RepositoryOptions(verify=verify)
        for opened in (
            partial(read_bundle, copy, verify),
            partial(Predictor, copy, verify=verify),
            partial(build_repository, copy, copy.parent / "repository", options),
        ):
            with pytest.raises(BundleError, match=message) as caught:
                opened()
            assert "\n" not in str(caught.value) and str(copy) in str(caught.value)


def test_a_tokenizer_with_more_ids_than_the_graph_has_rows(copy: Path) -> None:
    content = json.loads((copy / "tokenizer.json").read_text(encoding="utf-8"))
    content["model"]["vocab"]["surplus"] = 7699
    (copy / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    list_anew(copy)
    with pytest.raises(BundleError, match="7699 rows of tokens, and the tokenizer's largest id is 7699"):
        read_bundle(copy)
    content["model"]["vocab"]["surplus"] = "x"
    (copy / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    list_anew(copy)
    with pytest.raises(BundleError, match="an id in its vocabulary is no whole number"):
        read_bundle(copy)


def _fixed(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 16


def _float(model: onnx.ModelProto) -> None:
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.FLOAT


def _third_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["a", "b"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_fixed, "input 'input_ids' is not int64 of shape"),
        (_float, "input 'token_type_ids' is not int64"),
        (_third_input, "the model reads input_ids, token_type_ids, attention_mask"),
    ],
)
def test_graphs_that_nobody_could_run(copy: Path, change: Callable[[onnx.ModelProto], None], message: str) -> None:
    rewrite(copy, change)
    with pytest.raises(BundleError, match=message):
        read_bundle(copy)


def test_classes_that_the_graph_leaves_open_are_counted_at_the_first_answer(copy: Path) -> None:
    def open_classes(model: onnx.ModelProto) -> None:
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "classes"

    rewrite(copy, open_classes)
    assert len(Predictor(copy).predict([("怎么还款", "如何还款")])) == 1
    describe(copy, labels=("0", "1", "2"), label_names=None)
    predictor = Predictor(copy)
    with pytest.raises(BundleError, match=r"shape\(s\) \[1, 2\], its bundle has 3 labels"):
        predictor.predict([("怎么还款", "如何还款")])


def test_answers_of_each_task(bundle: Bundle) -> None:
    for task, labels, shapes, fits in (
        ("seq_cls", 2, [(4, 2)], True),
        ("seq_cls", 2, [(4, 3)], False),
        ("seq_cls", 2, [(4, 2), (4, 2)], False),
        ("multi_label", 3, [(1, 3)], True),
        ("token_cls", 3, [(1, 7, 3)], True),
        ("token_cls", 3, [(7, 3)], False),
        ("qa", 0, [(2, 9), (2, 9)], True),
        ("qa", 0, [(2, 9)], False),
        ("qa", 0, [(2, 9, 1), (2, 9, 1)], False),
    ):
        info = dataclasses.replace(bundle.info, task=task, labels=tuple(map(str, range(labels))))
        arrays = [np.zeros(shape, dtype=np.float32) for shape in shapes]
        if fits:
            check_logits(arrays, info)
        else:
            with pytest.raises(BundleError, match="export the model again"):
                check_logits(arrays, info)


@pytest.mark.parametrize("name", [BUNDLE_FILE, "model.onnx", "tokenizer.json", "model.json"])
def test_links_that_lead_out(copy: Path, tmp_path: Path, name: str) -> None:
    (copy / name).rename(tmp_path / "elsewhere")
    (copy / name).symlink_to(tmp_path / "elsewhere")
    for verify in (True, False):
        with pytest.raises(BundleError, match=f"{name} is a link that leads out of the bundle"):
            read_bundle(copy, verify)
    (copy / name).unlink()
    (copy / name).symlink_to("/etc/passwd")
    with pytest.raises(BundleError, match=r"leads out of the bundle|bytes"):
        read_bundle(copy)


def test_links_that_stay(copy: Path, tmp_path: Path) -> None:
    (copy / "model.onnx").rename(copy / "real.onnx")
    (copy / "model.onnx").symlink_to("real.onnx")
    (tmp_path / "link").symlink_to(copy)
    assert Predictor(tmp_path / "link").predict([("怎么还款", "如何还款")])


def test_every_bit_of_a_bundle_counts(copy: Path, bundle: Bundle) -> None:
    """A bit in each of its files; and in the description each key has its part."""
    for entry in bundle.info.files.values():
        path = copy / entry.name
        content = path.read_bytes()
        for place in np.linspace(0, len(content) - 1, 12, dtype=int):
            path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
            with pytest.raises(BundleError, match="sha256 differs"):
                read_bundle(copy)
        path.write_bytes(content)
    raw = json.loads((copy / BUNDLE_FILE).read_text(encoding="utf-8"))
    for key, value in (
        ("label_names", ["same", "different"]),
        ("max_seq_length", 47),
        ("dataset", "x"),
        ("warnings", []),
        ("thresholds", [0.5, 0.6]),
    ):
        (copy / BUNDLE_FILE).write_text(json.dumps({**raw, key: value}), encoding="utf-8")
        with pytest.raises(BundleError, match=r"bundle\.json was changed after it was written"):
            read_bundle(copy)
        assert read_bundle(copy, verify=False).info != bundle.info
    (copy / BUNDLE_FILE).write_text(json.dumps(raw, sort_keys=True, indent=7), encoding="utf-8")
    assert read_bundle(copy).info == bundle.info
    del raw[CHECKSUM_KEY]
    (copy / BUNDLE_FILE).write_text(json.dumps(raw), encoding="utf-8")  # as earlier versions wrote it
    assert read_bundle(copy).info == bundle.info


def test_the_second_opening_computes_nothing(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ernie_toolkit.files import checksums

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    now = checksums.time.time
    monkeypatch.setattr(checksums.time, "time", lambda: now() + 10)
    read_bundle(copy)
    monkeypatch.setattr(checksums, "sha256_of", lambda path: pytest.fail(f"{path} was read again"))
    read_bundle(copy)


@pytest.mark.parametrize("directory", ["x" * 300, "x/" * 3000, "a\0b", "\udcff", "", "/etc/passwd"])
def test_directories_that_are_none(directory: str) -> None:
    with pytest.raises(BundleError, match="is not a bundle") as caught:
        read_bundle(directory)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


DEPLOYMENTS = {
    "deploy/predictor/infer.py": "--model_path",
    "deploy/predictor/infer_cpu.py": "--model_path",
    "deploy/predictor/infer_gpu.py": "--model_path",
    "deploy/python/seq_cls_infer.py": "--model_dir",
    "deploy/triton_serving/build_repository.py": "--model_path",
    "multi_label/deploy/predictor/infer.py": "--model_path_prefix",
    "multi_label/deploy/paddle_serving/service.py": "--model_path",
}


@pytest.mark.parametrize("script", DEPLOYMENTS)
def test_every_deployment_refuses_a_flipped_bit(root: Path, copy: Path, tmp_path: Path, script: str) -> None:
    """Before it looks for the runtime, which need not be here."""
    content = (copy / "model.onnx").read_bytes()
    (copy / "model.onnx").write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    done = subprocess.run(
        [sys.executable, root / script, DEPLOYMENTS[script], copy], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "model.onnx is not the file that" in done.stderr and "sha256 differs" in done.stderr
    done = subprocess.run(
        [sys.executable, root / script, DEPLOYMENTS[script], copy, "--no_verify"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "sha256" not in done.stderr and "Traceback" not in done.stderr


def test_the_http_service_refuses_it_too(copy: Path) -> None:
    from ernie_toolkit.simple_serving.options import ServingOptions
    from ernie_toolkit.simple_serving.service import open_predictor

    (copy / "tokenizer.json").write_bytes((copy / "tokenizer.json").read_bytes().replace(b"[UNK]", b"[UNk]"))
    with pytest.raises(BundleError, match="sha256 differs"):
        open_predictor(ServingOptions("seq_cls", str(copy)))
    options = ServingOptions("seq_cls", str(copy), verify=False)
    with pytest.raises(ModelError, match=r"lacks \[UNK\]|not a tokenizer"):
        open_predictor(options)
