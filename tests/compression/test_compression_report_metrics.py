"""What a report shows agrees with itself: in its table, its picture, its JSON, and on the console."""

import dataclasses
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import PAIRS

from ernie_toolkit.commands.reports import report_compression
from ernie_toolkit.compression import CompressionOptions, compress
from ernie_toolkit.compression.report.files import report_json
from ernie_toolkit.compression.report.measurement import significant
from ernie_toolkit.compression.report.metrics import (
    SAME_SPEED,
    best_of,
    best_tradeoffs,
    change_text,
    number_text,
    ratio_text,
    shown_metrics,
    speed_text,
)
from ernie_toolkit.compression.report.model import Candidate, Report, read_report
from ernie_toolkit.compression.report.plot import LEAST_POINTS, metric_limits, picture_points
from ernie_toolkit.compression.report.table import report_page
from ernie_toolkit.data import DataSet


def model(
    name: str, accuracy: float, latency_ms: float | None, sequences: float | None = 100.0, **changes: Any
) -> Candidate:
    """A model of a report."""
    values: dict[str, Any] = {
        "name": name,
        "width": "1",
        "precision": "int8",
        "method": "",
        "settings": {},
        "embeddings": False,
        "vocabulary": 10,
        "parameters": 1,
        "size": 1000,
        "metrics": {"accuracy": accuracy},
        "latency_ms": latency_ms,
        "sequences_per_second": sequences,
        "flops": None,
        "kept": False,
        "file": "",
    }
    return Candidate(**(values | changes))


def report_of(baseline: Candidate, candidates: Sequence[Candidate]) -> Report:
    """A report on a classifier."""
    return Report(
        "afqmc",
        "seq_cls",
        "accuracy",
        "model",
        "ptq",
        "official",
        (),
        1000,
        1,
        1,
        {"max_drop": 0.5},
        {},
        baseline,
        tuple(candidates),
        64,
    )


def table_rows(page: str) -> list[list[str]]:
    """The cells of a page's table, below its header."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")][2:]


def number(cell: str) -> float:
    """A cell's number."""
    return float(cell.replace(",", "").rstrip("x"))


share = st.floats(0, 1)
time = st.floats(1e-3, 1e5)
measured = st.tuples(share, time, time, st.booleans(), st.integers(1, 10**9))
found = st.lists(measured, min_size=1, max_size=8)


def random_report(values: Sequence[tuple[float, float, float, bool, int]]) -> Report:
    """A report with these accuracies, times, rates, kept or not, and sizes; the first is the FP32 model's."""
    made = [
        model(f"m{place}", accuracy, latency, sequences, kept=kept, size=size)
        for place, (accuracy, latency, sequences, kept, size) in enumerate(values)
    ]
    return report_of(made[0], made[1:])


@settings(max_examples=200)
@given(found)
def test_shown_ratios_and_changes_follow_from_shown_numbers(values: list[Any]) -> None:
    """By the page alone: whoever divides and subtracts what stands there gets what stands beside it."""
    report = random_report(values)
    rows = table_rows(report_page(report, "picture.png"))
    assert len(rows) == len(values)
    for row in rows:
        assert number(row[7]) == round(number(rows[0][6]) / number(row[6]), 2)
        assert number(row[9]) == round(number(row[8]) / number(rows[0][8]), 2)
    for row in rows[1:]:
        assert number(row[2]) == round(number(row[1]) - number(rows[0][1]), 2)
        assert row[2] == "0.00" or row[2][0] in "+-"


@settings(max_examples=200)
@given(found)
def test_table_picture_and_json_tell_the_same(values: list[Any]) -> None:
    report = random_report(values)
    raw = json.loads(json.dumps(report_json(report)))
    models = [raw["baseline"], *raw["candidates"]]
    points = picture_points(report)
    for row, item, (latency, metric, candidate) in zip(
        table_rows(report_page(report, "picture.png")), models, points, strict=True
    ):
        assert row[0].strip("* ★") == item["name"] == candidate.name
        assert ("★" in row[0]) == item["best_tradeoff"] == any(candidate is one for one in best_tradeoffs(report))
        assert row[1] == f"{metric:.2f}" and row[6] == number_text(latency)
        assert row[7] == ratio_text(item["latency_ratio"]) and row[9] == ratio_text(item["throughput_ratio"])
        assert row[2] in ("-", change_text(item["change"]))
        assert latency == significant(item["latency_ms"]) and metric == round(100 * item["metrics"]["accuracy"], 2)


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 4).map(lambda n: n / 4), st.floats(1, 3), st.just(9.0), st.booleans(), st.integers(1, 3)
        ),
        min_size=1,
        max_size=9,
    )
)
def test_best_tradeoffs_are_worth_their_loss(values: list[Any]) -> None:
    report = random_report(values)
    front = [shown_metrics(report, item) for item in best_tradeoffs(report)]
    assert front[0].metric == max(100 * accuracy for accuracy, *_ in values)
    for better, worse in itertools.pairwise(front):
        assert better.metric > worse.metric and better.latency_ms > worse.latency_ms
    for item in (report.baseline, *report.candidates):
        # Whatever is not on the list has one there that is as good, and faster or as good as equally fast.
        own = shown_metrics(report, item)
        assert any(
            one.metric >= own.metric and one.latency_ms <= own.latency_ms * (1 + SAME_SPEED) ** 2 for one in front
        )


def test_noise_between_equals_decides_nothing() -> None:
    """Seven INT8 models of one graph: what is kept, else the first, stands for all; the slower FP32 model is none."""
    equals = [model(f"INT8 {place}", 0.9, 5.0 + 0.03 * ((place * 5) % 7)) for place in range(7)]
    report = report_of(model("FP32", 0.9, 10.0, size=4000), equals)
    assert [item.name for item in best_tradeoffs(report)] == ["INT8 0"]
    assert best_of(report, equals).name == "INT8 0"
    report = report.with_candidate(dataclasses.replace(equals[3], kept=True))
    assert [item.name for item in best_tradeoffs(report)] == ["INT8 3"]
    small = dataclasses.replace(equals[5], size=999)
    assert best_of(report, [*equals[:3], small]) is small
    fast, noisy = model("INT8 dynamic", 0.9, 3.9), model("INT8 dynamic", 0.9, 4.1)
    assert best_of(report, [*equals[:3], fast]) is fast
    assert best_of(report, [noisy, *equals[:3]]).name == "INT8 0"
    assert best_of(report, [equals[2], equals[0], equals[1]]).name == "INT8 0"
    good = model("INT8 emd", 0.91, 6.0)
    assert best_of(report, [*equals[:3], fast, good]) is good


def test_what_was_not_timed_is_no_tradeoff_and_has_no_ratio() -> None:
    untimed = model("untimed", 0.99, None, None)
    report = report_of(model("FP32", 0.9, 10.0), [untimed, model("fast", 0.8, 5.0), model("slow", 0.8, 9.8)])
    assert [item.name for item in best_tradeoffs(report)] == ["FP32", "fast"]
    shown = shown_metrics(report, untimed)
    assert (shown.latency_ratio, shown.throughput_ratio, shown.change) == (None, None, 9.0)
    assert best_of(report, [untimed]) is untimed
    assert [number_text(value) for value in (None, 0.0958, 12.34, 5236.0, 999.6)] == [
        "-",
        "0.0958",
        "12.3",
        "5,236",
        "1,000",
    ]
    assert (change_text(None), change_text(0.0), change_text(0.2), ratio_text(None)) == ("-", "0.00", "+0.20", "-")


def test_rough_speeds_are_told(tmp_path: Path) -> None:
    quiet, busy = (model(name, 0.9, 5.0, speed_spread=spread) for name, spread in (("quiet", 1.05), ("busy", 1.6)))
    report = report_of(model("FP32", 0.9, 10.0), [quiet])
    assert "Rough" not in report_page(report, "picture.png") and "rough" not in speed_text(report, quiet)
    report = report.with_candidate(busy)
    page = report_page(report, "picture.png")
    assert "**Rough speeds**: the machine had other work. Of busy, ratios of the turns lie up to 1.60 times" in page
    assert speed_text(report, busy).endswith("(rough: busy machine)")


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6), st.floats(0, 2))
def test_the_metric_axis_never_makes_a_cliff(values: list[float], loss: float) -> None:
    bottom, top = metric_limits(values, loss)
    assert bottom < min(values) + 1e-9 and max(values) < top
    assert top - bottom >= LEAST_POINTS - 1e-9 and (max(values) - min(values)) / (top - bottom) < 0.8
    assert loss <= (top - bottom) / 6 + 1e-9


def test_a_compression_tells_one_thing_everywhere(
    model_dir: Path, afqmc_sample: DataSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On real sessions, timed for real: files and console of one run agree in every number."""
    said: list[str] = []
    options = CompressionOptions(algo_list=("mse",), batch_size_list=(4,), num_threads=1)
    report = compress(model_dir, None, afqmc_sample, afqmc_sample, PAIRS, "ptq", tmp_path, options, say=said.append)
    raw = json.loads((tmp_path / "compress_report.json").read_text(encoding="utf-8"))
    assert read_report(tmp_path / "compress_report.json") == report
    rows = table_rows((tmp_path / "compress_report.md").read_text(encoding="utf-8"))
    report_compression(report, tmp_path)
    printed = capsys.readouterr().out
    models = [raw["baseline"], *raw["candidates"]]
    for row, item, (latency, metric, _) in zip(rows, models, picture_points(report), strict=True):
        assert item["latency_ms"] == latency == number(row[6]) == significant(latency)
        assert item["sequences_per_second"] == number(row[8])
        assert item["latency_ratio"] == number(row[7]) == round(raw["baseline"]["latency_ms"] / latency, 2)
        assert f"{100 * item['metrics']['accuracy']:.2f}" == row[1] == f"{metric:.2f}"
        speed = f"{row[6]} ms a sequence ({row[7]}), {row[8]} sequences/s in batches ({row[9]})"
        [line] = [line for line in said if line.startswith(f"{item['name']}: ")]
        assert speed in line and (row[2] == "-" or f"({row[2]} points)" in line)
        if item["kept"]:
            [line] = [line for line in printed.splitlines() if re.match(rf"  [* ] {re.escape(item['name'])}  ", line)]
            assert speed in line and line.lstrip().startswith("*") == item["best_tradeoff"] == ("★" in row[0])
