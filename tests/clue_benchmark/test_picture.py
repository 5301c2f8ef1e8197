"""The picture: names and sizes beside the points without overlaps; what is drawn of which directory."""

import itertools
import json
from pathlib import Path

import pytest
from clue_results import write_cell
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.clue_benchmark.drawn_models import DrawnModel, further_models, quality_sets, searched_models
from ernie_toolkit.clue_benchmark.latency import BATCH_SIZES, Point, as_record, iflytek_texts, measure_models
from ernie_toolkit.clue_benchmark.picture import draw_points, figure_of, parameters_text
from ernie_toolkit.clue_benchmark.table import read_rows
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference.engines.base import ENGINES
from ernie_toolkit.inference.processor import available_cores

MODELS = st.lists(st.tuples(st.floats(0.1, 500), st.floats(0, 1), st.integers(1, 10**10)), min_size=1, max_size=14)


@settings(max_examples=12)
@given(MODELS)
def test_names_do_not_overlap(models: list[tuple[float, float, int]]) -> None:
    points = [
        Point(
            f"ernie-3.0-{'W' * number}-zh", "onnxruntime", "fp32", size, 1, ms, ms, ms, quality, parameters, number > 9
        )
        for number, (ms, quality, parameters) in enumerate(models)
        for size in BATCH_SIZES
    ]
    figure = figure_of(points, "IFLYTEK", "iflytek dev (data_dir), rows of 128 tokens")
    for axes in figure.axes:
        for text in axes.texts:
            text.update_positions(figure.canvas.get_renderer())
        boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the line to the point
        assert len(boxes) == len(models)
        for one, other in itertools.combinations(boxes, 2):
            assert min(one.y1, other.y1) - max(one.y0, other.y0) < 1.0  # not a whole pixel of height in common
        right = min((other.get_tightbbox().x0 for other in figure.axes if other.bbox.x0 > axes.bbox.x1), default=1e9)
        assert all(box.x1 < min(figure.bbox.x1, right) for box in boxes)


def test_sizes_for_people() -> None:
    assert [parameters_text(value) for value in (None, 999, 75_400_000, 118_000_000, 1_200_000_000)] == [
        *("", "999", "75.4M", "118M", "1.2B")
    ]


def test_every_engine_is_measured_and_drawn(bundle: Bundle, tmp_path: Path) -> None:
    texts, source = iflytek_texts("", "sample", 16)
    forms = tuple((engine, "fp32") for engine in ENGINES)
    models = [DrawnModel(name, 0.5, bundle.directory, forms, 1000) for name in ("a", "b")]
    left_out: list[str] = []
    points = measure_models(models, texts, 16, left_out.append)
    threads = {1, available_cores()}
    assert len(points) + len(left_out) >= 2 * len(threads) * len(BATCH_SIZES)
    assert {(item.batch_size, item.threads) for item in points} == set(itertools.product(BATCH_SIZES, threads))
    assert all(item.first_quartile_ms <= item.latency_ms <= item.third_quartile_ms for item in points)
    json.dumps(as_record(points, ["iflytek"], source, 16))
    draw_points(points, tmp_path / "picture.png", "IFLYTEK", source)
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match="tokens at most"):
        measure_models(models, texts, 512, left_out.append)


def test_what_is_drawn_of_a_directory(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither a bundle nor"):
        further_models(tmp_path)
    with pytest.raises(ConfigError, match="no accuracy in its record"):
        further_models(bundle.directory)


def test_whose_quality(tmp_path: Path) -> None:
    for model, names in (("a", ("tnews", "iflytek")), ("b", ("tnews",))):
        for name in names:
            write_cell(tmp_path, model, name, [({}, 1, {"accuracy": 0.5})])
    rows = read_rows(tmp_path)
    assert quality_sets(rows, "avg") == ("tnews",) and quality_sets(rows, "iflytek") == ("iflytek",)
    with pytest.raises(ConfigError, match="no model has a score on 'c3'"):
        quality_sets(rows, "c3")
    models, said = searched_models(tmp_path, rows, ("iflytek",))
    assert not models and said == [
        "a is left out of the picture: no bundle of a classification set",
        "b is left out of the picture: no score on iflytek",
    ]
