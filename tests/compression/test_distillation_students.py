"""What students are asked for, and texts without labels."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.compression.distillation.options import DistillationOptions, check_distillation_options
from ernie_toolkit.compression.distillation.students import (
    NAMED_SHAPES,
    Shape,
    check_shapes,
    cut_size,
    parse_student,
    parse_students,
    student_shape,
)
from ernie_toolkit.compression.distillation.texts import held_out, read_unlabeled, with_unlabeled
from ernie_toolkit.data.file_options import FileOptions
from ernie_toolkit.errors import ConfigError, DataError, ModelError, ToolkitError
from ernie_toolkit.models.sizes import LayerSize
from ernie_toolkit.text.dataset import EncodedDataset
from ernie_toolkit.text.features import Features

TEACHER = Shape(12, 768, 12, 3072, 64)


def test_shapes_by_name_are_the_guides() -> None:
    sizes = {name: (shape.layers, shape.hidden) for name, shape in NAMED_SHAPES.items()}
    assert sizes == {"base": (12, 768), "medium": (6, 768), "mini": (6, 384), "micro": (4, 384), "nano": (4, 312)}
    assert all(shape.heads == 12 and shape.intermediate == 4 * shape.hidden for shape in NAMED_SHAPES.values())


@given(st.integers(1, 48), st.integers(1, 40), st.integers(1, 24), st.integers(1, 5000))
def test_numbers_are_read_back(layers: int, width: int, heads: int, intermediate: int) -> None:
    hidden = width * heads
    request = parse_student(f"layers={layers},hidden={hidden},heads={heads},intermediate={intermediate}")
    assert request.shape == Shape(layers, hidden, heads, intermediate)
    assert student_shape(request, TEACHER) is not None and "/" not in request.name
    assert parse_student(f" hidden={hidden} , layers={layers},intermediate={intermediate},heads={heads}").shape == (
        request.shape
    )


@given(st.text(st.sampled_from("layershidnw=,/.0123456789 "), max_size=40))
def test_any_text_is_a_student_or_an_error(text: str) -> None:
    try:
        request = parse_student(text)
        if request.kind in ("shape", "slice"):
            student_shape(request, TEACHER)
    except ToolkitError as error:
        assert "\n" not in str(error)


def test_what_can_be_cut_out_of_the_teacher() -> None:
    assert cut_size(NAMED_SHAPES["medium"], TEACHER) == LayerSize(12, 3072)
    assert cut_size(Shape(6, 768, 8, 2048), TEACHER) == LayerSize(8, 2048)
    assert cut_size(NAMED_SHAPES["mini"], TEACHER) is None
    assert cut_size(Shape(13, 768, 12, 3072), TEACHER) is None
    found = student_shape(parse_student("width=3/4,depth=2/3"), TEACHER)
    assert found == Shape(8, 768, 9, 2304, 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layers=4", "give layers and hidden at least"),
        ("layers=4,hidden=0", "hidden must be a whole number from 1"),
        ("layers=4,hidden=312,heads=12,wings=2", "'wings=2' is not understood"),
        ("layers=4,layers=5,hidden=24", "'layers=5' is not understood"),
        ("layers=4,width=1/2", "not both"),
        ("width=1,depth=1", "is the teacher itself"),
        ("width=5/4", "must be over 0 and at most 1"),
    ],
)
def test_students_that_there_are_not(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_student(text)


def test_students_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="two of them would go to the directory nano"):
        parse_students(["nano"], "nano")
    (tmp_path / "teacher").mkdir()
    with pytest.raises(ConfigError, match="'teacher' is a directory of the run's own"):
        parse_students([str(tmp_path / "teacher")])
    with pytest.raises(ModelError, match="not found: a model directory holds"):
        student_shape(parse_student(str(tmp_path)), TEACHER)
    with pytest.raises(ConfigError, match="hidden 100 is not a multiple of 12 heads"):
        student_shape(parse_student("layers=2,hidden=100"), TEACHER)
    students, assistant = parse_students(["mini", "nano"], "micro")
    shapes = {name: NAMED_SHAPES[name] for name in ("mini", "micro", "nano")}
    with pytest.raises(ConfigError, match=r"`assistant` micro .* is not larger than its student mini"):
        check_shapes(students, assistant, shapes)
    check_shapes(*parse_students(["micro", "nano"], "mini"), shapes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"students": ()}, "`students`: give one at least"),
        ({"stage": ("task", "task")}, "`stage`: give one at least, and each of them once"),
        ({"stage": ("general",)}, "give `unlabeled_file`"),
        ({"relations": ("query", "attention")}, "'attention' is not known: use one of query, key, value"),
        ({"temperature": 0.0}, "`temperature`"),
        ({"soft_weight": 0.0, "hidden_weight": 0.0, "relation_weight": 0.0, "label_weight": 0.0}, "nothing"),
        ({"stage": ("general",), "unlabeled_file": "a", "every": 2}, "`every`"),
        (
            {"stage": ("general",), "unlabeled_file": "a", "hidden_weight": 0.0, "relation_weight": 0.0},
            "give one of their weights over 0",
        ),
    ],
)
def test_options_that_cannot_be(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_distillation_options(DistillationOptions(**values))  # type: ignore[arg-type]


def test_a_file_of_texts(tmp_path: Path) -> None:
    path, said = tmp_path / "texts.txt", []  # type: ignore[var-annotated]
    path.write_bytes("第一条\n\n第二条\n第一条\n".encode() + b"\xff\xfe\n" + "第三条\n".encode())
    assert read_unlabeled(path, "sentence", FileOptions(), said.append) == ["第一条", "第二条", "第三条"]
    (line,) = said
    assert "3 texts without labels; left out: 1 duplicates, 2 rows that are empty or cannot be read (" in line
    path.write_bytes("今天的天气怎么样\n借呗的额度怎么提高\n".encode("gb18030"))
    said.clear()
    found = read_unlabeled(path, "sentence", FileOptions(encoding="auto"), said.append)
    assert len(found) == 2 and "GB18030" in said[0]
    with pytest.raises(DataError, match=r"GB18030 .*encoding"):
        read_unlabeled(path, "sentence", FileOptions(), said.append)


def test_a_file_of_pairs(tmp_path: Path) -> None:
    path, said = tmp_path / "pairs.txt", []  # type: ignore[var-annotated]
    path.write_text("甲\t乙\n只有一条\n丙\t丁\n", encoding="utf-8")
    assert read_unlabeled(path, "pair", FileOptions(), said.append) == [("甲", "乙"), ("丙", "丁")]
    assert "1 rows that are empty or cannot be read" in said[-1]


@given(st.lists(st.text(st.sampled_from("甲乙丙 "), max_size=6), max_size=12))
def test_every_text_is_read_once(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    try:
        found = read_unlabeled(path, "sentence", FileOptions(), lambda line: None)
    except DataError:
        assert not any(line.strip() for line in lines)
        return
    assert len(set(found)) == len(found) > 0


def features(length: int) -> Features:
    ids = np.arange(1, length + 1, dtype=np.int64)
    return Features(ids, np.zeros(length, np.int64))


def test_texts_beside_labelled_rows() -> None:
    extra = EncodedDataset([features(2), features(4)], 0)
    labels = EncodedDataset([features(3)], 0, {"labels": np.array([1])})
    assert with_unlabeled(labels, extra).collate([0, 1, 2])["labels"].tolist() == [1, -100, -100]
    tags = EncodedDataset([features(3)], 0, {"labels": [np.array([1, 2, 0])]})
    found = with_unlabeled(tags, extra).collate([0, 2])["labels"]
    assert found.tolist() == [[1, 2, 0, -100], [-100] * 4]
    sets = EncodedDataset([features(3)], 0, {"labels": np.ones((1, 4), np.float32)})
    with pytest.raises(ConfigError, match="cannot be left open"):
        with_unlabeled(sets, extra)


@given(st.integers(2, 400))
def test_rows_are_held_out_of_training(count: int) -> None:
    train, dev = held_out(EncodedDataset([features(1)] * count, 0), most=5)
    assert len(train) + len(dev) == count and 1 <= len(dev) <= max(5, count // 2) and len(train) >= 1
