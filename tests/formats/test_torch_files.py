"""Reading what torch.save writes: all of it, nothing else, and nothing is run."""

import io
import random
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from payloads import big_claims, payloads
from torch_writer import KINDS, Called, Name, StateDict, Storage, Tensor, tensor_of, torch_bytes

from ernie_toolkit.errors import ModelError
from ernie_toolkit.formats.torch_files import read_torch_file
from ernie_toolkit.formats.weights import read_weights_file

NUMBERS = np.arange(6, dtype=np.float32)
WHOLE = Storage(NUMBERS)


def written(tmp_path: Path, value: Any, old: bool = False) -> Path:
    """A file of a value."""
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(torch_bytes(value, old))
    return path


def expected(array: np.ndarray) -> np.ndarray:
    """What an array is read as."""
    if array.dtype == np.uint16:
        return (array.astype(np.uint32) << np.uint32(16)).astype(np.uint32).view(np.float32)
    return array.astype(np.float32) if array.dtype == np.float16 else array


@given(
    state=st.dictionaries(
        st.text(max_size=20),
        st.sampled_from(sorted(KINDS)).flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0))),
        min_size=1,
        max_size=5,
    ),
    old=st.booleans(),
    turned=st.booleans(),
)
@settings(deadline=None)
def test_every_state_dict_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, state: dict[str, np.ndarray], old: bool, turned: bool
) -> None:
    given_arrays = {name: array.T if turned else array for name, array in state.items()}
    value = StateDict({name: tensor_of(array) for name, array in given_arrays.items()})
    path = tmp_path_factory.mktemp("torch") / "pytorch_model.bin"
    path.write_bytes(torch_bytes(value, old))
    read = read_weights_file(path)
    assert list(read) == list(state)
    for name, array in given_arrays.items():
        wanted = expected(np.ascontiguousarray(array).reshape(array.shape))
        assert read[name].dtype == wanted.dtype and np.array_equal(
            read[name], wanted, equal_nan=wanted.dtype.kind == "f"
        )
        assert read[name].flags.writeable


@pytest.mark.parametrize("old", [False, True])
def test_tensors_that_share_numbers_parameters_and_other_values(old: bool, tmp_path: Path) -> None:
    one = Tensor(WHOLE, 2, (2, 2), (2, 1), (True, OrderedDict(), {}))
    parameter = Called(Name("torch._utils", "_rebuild_parameter"), (one, True, OrderedDict()))
    value = {"one": one, "same": Tensor(WHOLE, 0, (6,), (1,)), "parameter": parameter, "epoch": 3, "all": [1.5, None]}
    read = read_torch_file(written(tmp_path, value, old))
    assert sorted(read) == ["one", "parameter", "same"]
    assert read["one"].tolist() == read["parameter"].tolist() == [[2, 3], [4, 5]]
    assert read["same"].tolist() == NUMBERS.tolist()


FOREIGN = {
    "a layer": Called(Name("torch.nn.modules.linear", "Linear"), ()),
    "os.system": Called(Name("posix", "system"), ("touch created",)),
    "eval": Called(Name("builtins", "eval"), ("1",)),
    "a newer rebuild": Called(Name("torch._utils", "_rebuild_tensor_v3"), (WHOLE, 0, (6,), (1,), False, {})),
    "a NumPy array": np.arange(3.0),
    "a name": Name("torch", "load"),
}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("name", sorted(FOREIGN))
def test_other_names_are_said_and_not_run(name: str, old: bool, tmp_path: Path) -> None:
    path = written(tmp_path, {"weight": tensor_of(NUMBERS), "x": FOREIGN[name]}, old)
    with pytest.raises(ModelError, match=r"pytorch_model\.bin: it holds '[\w.]+', which is no tensor and was not run"):
        read_torch_file(path)


@pytest.mark.parametrize("name", sorted(payloads(Path("nowhere"))))
@pytest.mark.parametrize("old", [False, True])
def test_nothing_is_run(name: str, old: bool, tmp_path: Path) -> None:
    target, path = tmp_path / "created", tmp_path / "pytorch_model.bin"
    payload, content = payloads(target)[name], io.BytesIO()
    if old:
        head = torch_bytes({}, old=True)
        path.write_bytes(head[: head.rindex(b"\x80\x02}")] + payload)
    else:
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr("archive/data.pkl", payload)
        path.write_bytes(content.getvalue())
    with pytest.raises(ModelError, match=r"pytorch_model\.bin: [^\n]*: (take|copy|give) [^\n]*$"):
        read_torch_file(path)
    assert not target.exists()


CLAIMS = {
    "more than its storage": Tensor(WHOLE, 0, (7,), (1,)),
    "beyond the end": Tensor(WHOLE, 6, (1,), (1,)),
    "a step too far": Tensor(WHOLE, 0, (2, 2), (5, 1)),
    "backwards": Tensor(WHOLE, 0, (2,), (-1,)),
    "before the start": Tensor(WHOLE, -1, (2,), (1,)),
    "no sizes": Tensor(WHOLE, 0, ("a",), (1,)),
    "two steps": Tensor(WHOLE, 0, (2,), (1, 1)),
    "one number a billion times": Tensor(WHOLE, 0, (10**9,), (0,)),
    "no storage": Tensor(3, 0, (2,), (1,)),
    "a storage that is longer than its bytes": Tensor(Storage(NUMBERS, 10**12), 0, (2,), (1,)),
    "too many dimensions": Tensor(WHOLE, 0, (1,) * 40, (1,) * 40),
    "a huge shape of nothing": Tensor(WHOLE, 0, (0, 10**18, 10**18), (1, 1, 1)),
}


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_claims_take_no_memory(name: str, old: bool, tmp_path: Path) -> None:
    path = written(tmp_path, {"x": CLAIMS[name]}, old)
    tracemalloc.start()
    with pytest.raises(ModelError, match="not a PyTorch file that can be read"):
        read_torch_file(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize("name", sorted(big_claims()))
def test_pickles_with_claims(name: str, tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", big_claims()[name])
    with pytest.raises(ModelError, match=r"pytorch_model\.bin: (not a PyTorch|no tensor by name|it holds)"):
        read_torch_file(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs", "of another format"),
        (b"PK\x03\x04 and nothing more", "not a PyTorch file"),
        (torch_bytes({"x": tensor_of(NUMBERS)}, compression=zipfile.ZIP_DEFLATED), "is compressed"),
        (torch_bytes([tensor_of(NUMBERS)]), "no weights by name in it, but a list"),
        (torch_bytes({"state": {"x": tensor_of(NUMBERS)}}), "no tensor by name in it"),
        (torch_bytes({"x": tensor_of(NUMBERS)}, old=True)[:-3], "has 21 bytes, which are not its numbers"),
    ],
)
def test_other_files_are_named(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=reason):
        read_weights_file(path)


@pytest.mark.parametrize("old", [False, True])
def test_altered_files_are_read_or_refused(old: bool, tmp_path: Path) -> None:
    draw, path = random.Random(11), tmp_path / "pytorch_model.bin"
    content = torch_bytes(StateDict({"a": tensor_of(NUMBERS), "b": tensor_of(NUMBERS.reshape(2, 3).T)}), old)
    refused = 0
    for _ in range(600):
        altered = bytearray(content)
        altered[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(altered) if draw.random() < 0.7 else content[: draw.randrange(len(content))])
        try:
            read_torch_file(path)
        except ModelError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 300
