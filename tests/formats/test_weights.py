"""The two files of a model's weights: which one is read, what is refused, and that neither runs anything."""

import dataclasses
import json
import pickle
import random
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from payloads import Runs, payloads
from tiny import PAIRS, make_tiny_model
from training_runs import OPTIONS, run

from ernie_toolkit.bundle import read_bundle, stale_message
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import ModelError
from ernie_toolkit.files import sha256_of
from ernie_toolkit.formats.safe_pickle import load_pickle
from ernie_toolkit.formats.weights import SAFETENSORS_FILE, WEIGHTS_FILE, read_weights_file, weights_sha256
from ernie_toolkit.models import Vocabulary, load_model, set_weights_file
from ernie_toolkit.multi_label.analysis.masked_model import MaskedModel
from ernie_toolkit.session import Session
from ernie_toolkit.training.checkpoints import seal
from ernie_toolkit.training.finished import drop_stale_bundle, is_finished

Texts = pytest.CaptureFixture[str]


@pytest.fixture
def copy(model_dir: Path, tmp_path: Path) -> Path:
    """A copy of a trained model."""
    return Path(shutil.copytree(model_dir, tmp_path / "model"))


def classifier(directory: Path) -> np.ndarray:
    """What a loaded model answers with."""
    weights: np.ndarray = load_model(str(directory)).model.classifier.weight.numpy()
    return weights


def replace_pdparams(directory: Path, factor: float) -> None:
    """Write other weights over a model's .pdparams, as a user does who has trained elsewhere."""
    import paddle

    state = {name: value * np.float32(factor) for name, value in read_weights_file(directory / WEIGHTS_FILE).items()}
    paddle.save({name: paddle.to_tensor(value) for name, value in state.items()}, str(directory / WEIGHTS_FILE))


def test_both_files_hold_the_same(copy: Path) -> None:
    import paddle

    expected = paddle.load(str(copy / WEIGHTS_FILE), return_numpy=True)
    for name in (WEIGHTS_FILE, SAFETENSORS_FILE):
        state = read_weights_file(copy / name)
        assert sorted(state) == sorted(expected)
        assert all(np.array_equal(state[key], expected[key]) for key in state)


def test_one_file_is_enough(copy: Path, capsys: Texts) -> None:
    expected = classifier(copy)
    checksum = weights_sha256(copy / WEIGHTS_FILE)
    (copy / WEIGHTS_FILE).rename(copy / "aside")
    assert np.array_equal(classifier(copy), expected) and is_finished(copy)
    assert weights_sha256(copy / WEIGHTS_FILE) == checksum == sha256_of(copy / "aside")
    (copy / "aside").rename(copy / WEIGHTS_FILE)
    (copy / SAFETENSORS_FILE).unlink()
    assert np.array_equal(classifier(copy), expected) and is_finished(copy)
    assert capsys.readouterr().err == ""
    (copy / WEIGHTS_FILE).unlink()
    assert not is_finished(copy) and weights_sha256(copy / WEIGHTS_FILE) == ""
    with pytest.raises(
        ModelError, match=r"a model directory holds config\.json, model_state\.safetensors or model_sta"
    ):
        load_model(str(copy))


def test_a_replaced_pdparams_is_read_and_said(copy: Path, capsys: Texts) -> None:
    expected = classifier(copy)
    replace_pdparams(copy, 2.0)
    assert np.array_equal(classifier(copy), 2 * expected)
    line = capsys.readouterr().err
    assert line.startswith("notice: ") and line.count("\n") == 1
    assert "is not the file that model_state.safetensors beside it was written with: model_state.pdparams is" in line


def test_a_safetensors_file_of_another_tool(copy: Path, capsys: Texts) -> None:
    from safetensors.numpy import save_file

    state = read_weights_file(copy / SAFETENSORS_FILE)
    half = {name: value.astype(np.float16) for name, value in state.items()}
    save_file(half, str(copy / SAFETENSORS_FILE))
    expected = classifier(copy)  # nothing says that it belongs to the .pdparams
    assert np.array_equal(expected, state["classifier.weight"]) and "notice: " in capsys.readouterr().err
    (copy / WEIGHTS_FILE).unlink()
    assert np.array_equal(classifier(copy), half["classifier.weight"].astype(np.float32))
    assert weights_sha256(copy / WEIGHTS_FILE) == sha256_of(copy / SAFETENSORS_FILE)
    save_file({**half, "classifier.weight": np.ones((32, 2), dtype=np.int64)}, str(copy / SAFETENSORS_FILE))
    with pytest.raises(ModelError, match=r"weight 'classifier\.weight' is of type int64: save it as float32"):
        load_model(str(copy))


def test_bfloat16_is_read(copy: Path) -> None:
    import paddle

    state = paddle.load(str(copy / WEIGHTS_FILE))
    paddle.save({name: value.astype("bfloat16") for name, value in state.items()}, str(copy / WEIGHTS_FILE))
    rounded = state["classifier.weight"].astype("bfloat16").astype("float32").numpy()
    assert np.array_equal(classifier(copy), rounded)


def header(content: dict[str, Any] | bytes) -> bytes:
    """A safetensors file of a header and four bytes."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(raw)) + raw + b"\0\0\0\0"


TENSOR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        struct.pack("<Q", 2**60) + b"{}",
        header(b"{"),
        header(b"[" * 100_000),
        header(b"\xff\xff\xff"),
        header({"w": 1}),
        header({"w": {**TENSOR, "shape": [10**12]}}),
        header({"w": {**TENSOR, "dtype": "F8_E5M2"}}),
        header({"w": {**TENSOR, "data_offsets": [0, 10**9]}}),
        header({"w": {**TENSOR, "dtype": "BF16", "shape": [2]}}),
        header({"__metadata__": [1], "w": TENSOR}),
        header({"w": TENSOR, "x": TENSOR}),
        header({}),
    ],
)
def test_safetensors_files_that_are_none(content: bytes, copy: Path) -> None:
    (copy / WEIGHTS_FILE).unlink()
    (copy / SAFETENSORS_FILE).write_bytes(content)
    with pytest.raises(ModelError, match=r"^[^\n]*model_state\.safetensors: [^\n]*$"):
        load_model(str(copy))


def test_an_altered_safetensors_file_is_refused(copy: Path) -> None:
    path, draw = copy / SAFETENSORS_FILE, random.Random(5)
    content = path.read_bytes()
    for _ in range(60):
        altered = bytearray(content)
        altered[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(altered)
        with pytest.raises(ModelError, match=r"model_state\.safetensors: "):
            read_weights_file(path)
    path.write_bytes(content[:-1])
    with pytest.raises(ModelError, match=r"delete it where model_state\.pdparams is there"):
        load_model(str(copy))


def with_payload(directory: Path, target: Path) -> bytes:
    """A .pdparams with all weights of a model and a call in one more entry."""
    state = read_weights_file(directory / WEIGHTS_FILE)
    return pickle.dumps({**state, "more": Runs(eval, f"open({str(target)!r}, 'w').close()")}, 4)


def test_no_way_to_a_model_runs_its_file(copy: Path, tmp_path: Path, vocabulary: Vocabulary) -> None:
    target = tmp_path / "created"
    content = with_payload(copy, target)
    (copy / SAFETENSORS_FILE).unlink()
    (copy / WEIGHTS_FILE).write_bytes(content)
    fresh = make_tiny_model(vocabulary, ("0", "1"))
    for way in (
        lambda: load_model(str(copy)),
        lambda: set_weights_file(fresh, copy / WEIGHTS_FILE, ("0", "1"), "seq_cls"),
        lambda: MaskedModel(copy),
    ):
        with pytest.raises(ModelError, match=r"model_state\.pdparams: it holds 'builtins\.eval'"):
            way()
    assert not target.exists()
    pickle.loads(content)
    assert target.exists()  # it would have run


def test_bundles_of_either_file(copy: Path, afqmc_sample: DataSet) -> None:
    session = Session(load_model(str(copy)), afqmc_sample, PAIRS)
    session.export(copy / "export", 8, {}, trained=False)
    assert read_bundle(copy / "export").info.weights_sha256 == sha256_of(copy / WEIGHTS_FILE)
    (copy / WEIGHTS_FILE).rename(copy / "aside")
    assert stale_message(read_bundle(copy / "export")) == ""
    assert drop_stale_bundle(copy / "export", copy / WEIGHTS_FILE) == ""
    (copy / "aside").rename(copy / WEIGHTS_FILE)
    replace_pdparams(copy, 2.0)
    assert "other weights" in stale_message(read_bundle(copy / "export"))


STATES = ("model_state.pdparams", "optimizer.pdopt", "scheduler.pdparams", "rng_state.pth")


def test_a_checkpoint_is_not_run(vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path) -> None:
    from paddle.utils import unique_name

    def train(**more: Any) -> dict[str, np.ndarray]:
        # An optimizer knows parameters by their names, which a new process counts anew.
        with unique_name.guard():
            session = Session(make_tiny_model(vocabulary, ("0", "1")), afqmc_sample, PAIRS)
            run(session, tmp_path, options, **more)
        return {name: value.numpy() for name, value in session.loaded.model.state_dict().items()}

    options = dataclasses.replace(OPTIONS, save_total_limit=3, load_best_model_at_end=False)
    whole = train()
    checkpoints, target = tmp_path / "checkpoints", tmp_path / "created"
    shutil.rmtree(checkpoints / "checkpoint-12")
    last = checkpoints / "checkpoint-8"
    altered = {"a call": payloads(target)["eval"], "no entry of a checkpoint": pickle.dumps({"weight": np.ones(1)}, 4)}
    for name in STATES:
        content = (last / name).read_bytes()
        changes = {**altered, "cut off": content[: len(content) // 2]}
        if name in STATES[:2]:
            (_, first), *others = load_pickle(last / name).items()
            changes["one entry under another name"] = pickle.dumps({"another": first, **dict(others)}, 4)
        for what, other in changes.items():
            (last / name).write_bytes(other)
            seal(last)
            with pytest.raises(ModelError) as refused:
                train(resume=True)
            told = str(refused.value)
            assert "\n" not in told and (what not in ("a call", "cut off") or name in told), (name, what, told)
        (last / name).write_bytes(content)
    seal(last)
    assert not target.exists()
    resumed = train(resume=True)
    assert all(np.array_equal(value, resumed[name]) for name, value in whole.items())


# The types as a safetensors file calls them.
SHORT = {"bfloat16": "BF16", "float16": "F16", "float32": "F32", "float64": "F64", "int64": "I64", "int32": "I32"}


@given(
    shapes=st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(sorted(SHORT)), array_shapes()),
        min_size=1,
        max_size=5,
    )
)
@settings(deadline=None)
def test_safetensors_of_every_type_and_name_are_read_back(
    shapes: dict[str, tuple[str, tuple[int, ...]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    draw = np.random.default_rng(3)
    expected, entries, content = {}, {}, b""
    for name, (kind, shape) in shapes.items():
        values = (10 * draw.normal(size=shape)).astype("float32" if kind == "bfloat16" else kind)
        if kind == "bfloat16":
            bits = (values.view(np.uint32) >> np.uint32(16)).astype(np.uint16)
            values, data = (bits.astype(np.uint32) << np.uint32(16)).view(np.float32), bits.tobytes()
        else:
            data = values.tobytes()
        expected[name] = values
        place = [len(content), len(content) + len(data)]
        entries[name] = {"dtype": SHORT[kind], "shape": list(shape), "data_offsets": place}
        content += data
    path = tmp_path_factory.mktemp("safetensors") / "model.safetensors"
    head = json.dumps(entries).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + content)
    found = read_weights_file(path)
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert found[name].dtype == values.dtype and np.array_equal(found[name], values)
