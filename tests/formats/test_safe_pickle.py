"""Reading what paddle.save writes: all of it, nothing else, and nothing is run."""

import ast
import collections
import contextlib
import pickle
import random
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from payloads import big_claims, payloads

from ernie_toolkit.errors import ModelError
from ernie_toolkit.formats.safe_pickle import load_pickle
from ernie_toolkit.formats.weights import read_weights_file
from ernie_toolkit.models.paddle_files import load_paddle_file

NAMES = sorted(payloads(Path("nowhere")))


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same down to types, arrays by content."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and np.array_equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return type(one) is type(other) and bool(one == other)


def saved_values() -> dict[str, Any]:
    """What scripts save by paddle.save."""
    import paddle

    layer = paddle.nn.Linear(3, 2)
    rate = paddle.optimizer.lr.LinearWarmup(1e-3, 10, 0.0, 1e-3)
    optimizer = paddle.optimizer.AdamW(rate, parameters=layer.parameters())
    layer(paddle.ones([2, 3])).sum().backward()
    optimizer.step()
    types = {name: paddle.ones([2, 1], dtype=name) for name in ("float16", "bfloat16", "float64", "int64", "bool")}
    return {
        "weights": layer.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": rate.state_dict(),
        "types": {**types, "a number": paddle.to_tensor(2.5), "empty": paddle.zeros([0, 3])},
        "tensor": paddle.ones([2]),
        "nested": {"list": [paddle.ones([1]), 3, "文字"], "tuple": (1.5, None, True), "dict": {"a": {"b": 2**70}}},
        "numpy": {"float32": np.float32(3), "array": np.arange(6).reshape(2, 3)[:, ::2], "int": np.int64(-4)},
        "ordered": collections.OrderedDict(first=paddle.ones([1]), second=paddle.zeros([1])),
    }


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_what_paddle_saves_is_read_as_paddle_reads_it(protocol: int, tmp_path: Path) -> None:
    import paddle

    for name, value in saved_values().items():
        path = tmp_path / f"{name}.pdparams"
        paddle.save(value, str(path), protocol=protocol)
        assert equal(load_paddle_file(path, return_numpy=True), paddle.load(str(path), return_numpy=True)), name
        mine, theirs = load_paddle_file(path), paddle.load(str(path))
        if isinstance(theirs, dict):
            kinds = [{key: type(item) for key, item in found.items()} for found in (mine, theirs)]
            assert kinds[0] == kinds[1], name
            tensors = [key for key in theirs if isinstance(theirs[key], paddle.Tensor)]
            assert all((mine[key].numpy() == theirs[key].numpy()).all() for key in tensors)
            names = [(mine[key].name, theirs[key].name) for key in tensors]
            assert all(own == other or other.startswith("generated") for own, other in names)


def test_the_array_of_a_static_variable(tmp_path: Path) -> None:
    import paddle
    from paddle.base import core

    tensor = core.DenseTensor()
    tensor.set(np.arange(3, dtype=np.float32), paddle.CPUPlace())
    paddle.save(tensor, str(tmp_path / "x.pdparams"))
    assert load_pickle(tmp_path / "x.pdparams").tolist() == [0, 1, 2]


def test_arrays_in_pieces_and_of_other_machines(tmp_path: Path) -> None:
    path, whole = tmp_path / "x.pdparams", np.arange(12, dtype=np.float32).reshape(3, 4)
    state: dict[str, Any] = {
        "w@@.0": whole.ravel()[:7],
        "w@@.1": whole.ravel()[7:],
        "big": whole.astype(">f4"),
        "order": whole.T.copy().T,
        "UnpackBigParamInfor@@": {"w": {"OriginShape": (3, 4), "slices": ["w@@.0", "w@@.1"]}},
    }
    for protocol in (2, 4, 5):
        path.write_bytes(pickle.dumps(state, protocol))
        read = read_weights_file(path)
        assert sorted(read) == ["big", "order", "w"] and all(np.array_equal(value, whole) for value in read.values())
        assert {value.dtype for value in read.values()} == {np.dtype("float32")} and read["w"].flags.writeable
    state["UnpackBigParamInfor@@"]["w"]["slices"] = ["w@@.0", "nowhere"]
    path.write_bytes(pickle.dumps(state, 2))
    with pytest.raises(ModelError, match="pieces of arrays do not fit"):
        read_weights_file(path)


def test_files_of_paddle_2(tmp_path: Path) -> None:
    """2.0 wrote arrays with a table of names, 2.1 and later tensors as name and array, Python 2 bytes as text."""
    path, array = tmp_path / "x.pdparams", np.arange(6, dtype=np.float32).reshape(2, 3)
    table = {"StructuredToParameterName@@": {"w": "linear_0.w_0"}}
    for protocol in (2, 3, 4):
        for state in ({"w": array, **table}, {"w": ("linear_0.w_0", array)}, collections.OrderedDict(w=array)):
            path.write_bytes(pickle.dumps(state, protocol))
            assert equal(read_weights_file(path), {"w": array})
            tensor = load_paddle_file(path)["w"]
            assert (tensor.numpy() == array).all() and list(load_paddle_file(path)) == ["w"]
            assert tensor.name == "linear_0.w_0" or isinstance(state, collections.OrderedDict)
    old = pickle.dumps({"w": array}, 2)
    start, end, data = old.index(b"h\x05X"), old.index(b"tq\x16b"), array.tobytes()
    path.write_bytes(old[:start] + b"U" + bytes([len(data)]) + data + old[end:])
    assert equal(read_weights_file(path), {"w": array})


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_run(name: str, tmp_path: Path) -> None:
    target, path = tmp_path / "created", tmp_path / "x.pdparams"
    path.write_bytes(payloads(target)[name])
    for read in (load_pickle, load_paddle_file, read_weights_file):
        with pytest.raises(ModelError, match=r"x\.pdparams: [^\n]*: (take|copy) [^\n]*$"):
            read(path)  # type: ignore[operator]
    torch_path = path.rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin: [^\n]*: (take|copy) [^\n]*$"):
        read_weights_file(torch_path)
    assert not target.exists()


def test_payloads_do_run_elsewhere(tmp_path: Path) -> None:
    target = tmp_path / "created"
    made = {}
    for name, content in payloads(target).items():
        with contextlib.suppress(Exception):
            pickle.loads(content)
        made[name] = target.exists()
        target.unlink(missing_ok=True)
    ways = (
        "exec, protocol 0",
        "exec, protocol 4",
        "os.system",
        "an array of objects",
        "a dotted name",
        "INST",
        "OBJ",
        "numpy.f2py",
        "runstring",
    )
    assert [name for name in ways if not made[name]] == []


def test_the_class_that_a_file_names_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    path.write_bytes(payloads(tmp_path / "created")["os.system"])
    with pytest.raises(ModelError, match=r"it holds 'posix\.system', which is no array and was not run"):
        load_pickle(path)


@pytest.mark.parametrize("name", sorted(big_claims()))
def test_claims_take_no_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    path.write_bytes(big_claims()[name])
    tracemalloc.start()
    try:
        load_pickle(path)
    except ModelError as error:
        assert "not a Paddle file that can be read" in str(error) and "\n" not in str(error)
    else:
        assert name in ("a memo of 2^32 entries", "a frame longer than the file")  # claims that cost nothing here
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


def test_a_file_of_endless_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ernie_toolkit.formats.pickle_machine.MAX_OPCODES", 1000)
    path = tmp_path / "x.pdparams"
    path.write_bytes(b"\x80\x04" + b"N0" * 5000 + b"N.")
    with pytest.raises(ModelError, match="more than 1,000 steps"):
        load_pickle(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b"PK\x03\x04more", "a zip archive"),
        (b"\x93NUMPY\x01\x00", "an array of numpy.save"),
        (b'\x10\0\0\0\0\0\0\0{"a":1}', "a safetensors file under another name"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"\0\0\0\0\x01\0\0\0weights", "a file of another format"),
        (pickle.dumps({"weight": 1}, 1), "a file of another format"),
        (pickle.dumps({"weight": np.ones(1)}, 4) + b"more", "more bytes follow its end"),
        (pickle.dumps([1, 2], 4), "no weights by name in it, but a list"),
        (pickle.dumps({"epoch": 3}, 4), "no array in it"),
    ],
)
def test_other_files_are_named(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pdparams"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=reason):
        read_weights_file(path)


def test_altered_files_are_read_or_refused(tmp_path: Path) -> None:
    import paddle

    path, target, draw = tmp_path / "x.pdparams", tmp_path / "created", random.Random(11)
    refused = 0
    sources = []
    for protocol in (2, 4):
        paddle.save(paddle.nn.Linear(3, 2).state_dict(), str(path), protocol=protocol)
        sources.append(path.read_bytes())
    for content in sources:
        cuts = [content[:place] for place in range(0, len(content), 7)]
        flips = []
        for _ in range(400):
            altered = bytearray(content)
            altered[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
            flips.append(bytes(altered))
        for altered in (*cuts, *flips):
            path.write_bytes(altered)
            try:
                read_weights_file(path)
            except ModelError:
                refused += 1
            else:
                assert altered not in cuts
    assert refused > 600 and not target.exists()


def test_nothing_else_loads_pickles(root: Path) -> None:
    """No module calls what runs a file; PaddleNLP's own loading of weights has its one place in models/loading.py."""
    found = []
    folders = ("ernie_toolkit", "multi_label", "deploy", "scripts")
    for path in sorted([*root.glob("*.py"), *(path for name in folders for path in (root / name).rglob("*.py"))]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [item.name for item in node.names]
                found += [(path.name, name) for name in names if name.split(".")[0] in ("pickle", "joblib", "torch")]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = ast.unparse(node.func)
                others = ("config", "tokenizer")
                weights = name.endswith(".from_pretrained") and not any(word in name.lower() for word in others)
                arrays = name in ("np.load", "numpy.load") and "allow_pickle=False" not in ast.unparse(node)
                if weights or arrays or name == "paddle.load":
                    found.append((path.name, name))
    # What actors of one run send each other through Ray's memory: no file, and Ray itself pickles all else.
    assert sorted(found) == [("cluster.py", "pickle"), ("loading.py", "model_class.from_pretrained")]
