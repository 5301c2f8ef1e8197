"""The report of a compression run: read as it was written, a page, a picture, and a table out of several."""

import dataclasses
import itertools
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text
from reports import candidate, candidates, make_report, text, values

from ernie_toolkit.compression.report.comparison import comparison_table, read_reports
from ernie_toolkit.compression.report.files import report_json, write_report
from ernie_toolkit.compression.report.model import (
    FORMAT_VERSION,
    PLOT_FILE,
    REPORT_FILE,
    TABLE_FILE,
    Report,
    read_report,
)
from ernie_toolkit.compression.report.plot import draw_report, plot_report, spread_out
from ernie_toolkit.compression.report.table import markdown_table, report_page
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.files import write_json
from ernie_toolkit.formats.escapes import markdown_text

PNG = b"\x89PNG\r\n\x1a\n"


reports = st.builds(
    Report,
    text,
    text,
    text,
    text,
    text,
    text,
    st.lists(text).map(tuple),
    st.integers(),
    st.integers(),
    st.integers(),
    values,
    st.dictionaries(text, text),
    candidates,
    st.lists(candidates, max_size=3).map(tuple),
    st.integers(),
    st.none() | st.tuples(st.integers(), st.integers(), st.integers()),
    text,
    text,
)


@settings(max_examples=60, deadline=None)
@given(report=reports)
def test_a_report_is_read_as_it_was_written(report: Report, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.json"
    write_json(path, {"format_version": FORMAT_VERSION} | dataclasses.asdict(report))
    assert read_report(path) == report


def test_three_files_are_written(tmp_path: Path) -> None:
    report = make_report(candidate(kept=True, file="width_mult_1/export/model_int8.onnx"))
    write_report(report, tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted([REPORT_FILE, TABLE_FILE, PLOT_FILE])
    assert read_report(tmp_path / "new" / REPORT_FILE) == report
    assert (tmp_path / "new" / TABLE_FILE).read_text(encoding="utf-8") == report_page(report, PLOT_FILE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: None, "no report to read there"),
        (lambda raw: "{", "not JSON"),
        (lambda raw: "[]", "not a JSON object"),
        (lambda raw: json.dumps(raw | {"format_version": 1}), "format version 1, this toolkit reads 2"),
        (lambda raw: json.dumps({key: raw[key] for key in raw if key != "seed"}), "report has no seed"),
        (lambda raw: json.dumps(raw | {"seed": "42"}), "report.seed is '42', which is not a int"),
        (lambda raw: json.dumps(raw | {"seed": True}), "report.seed is True"),
        (lambda raw: json.dumps(raw | {"warnings": "none"}), "report.warnings is 'none'"),
        (lambda raw: json.dumps(raw | {"row_tokens": [1, 2]}), "report.row_tokens"),
        (lambda raw: json.dumps(raw | {"baseline": []}), "report.baseline is not an object"),
        (lambda raw: json.dumps(raw | {"candidates": [{"name": "x"}]}), r"report.candidates\[0\] has no width"),
        (
            lambda raw: json.dumps(raw | {"baseline": raw["baseline"] | {"metrics": {"accuracy": None}}}),
            "report.baseline.metrics.accuracy is None",
        ),
    ],
)
def test_broken_reports_are_told_in_one_line(tmp_path: Path, change: Any, message: str) -> None:
    path = tmp_path / "compress_report.json"
    broken = change(report_json(make_report(candidate())))
    if broken is not None:
        path.write_text(broken, encoding="utf-8")
    with pytest.raises(ModelError, match=message) as caught:
        read_report(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_no_report(tmp_path: Path) -> None:
    path = tmp_path / "compress_report.json"
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(ModelError, match="not JSON"):
        read_report(path)


def test_candidates_are_found_and_replaced() -> None:
    first, second = candidate("a"), candidate("b")
    report = make_report().with_candidate(first).with_candidate(second)
    assert report.candidates == (first, second)
    better = dataclasses.replace(first, kept=True)
    assert report.with_candidate(better).candidates == (better, second)
    assert report.find("b") is second and report.find("c") is None and report.find("FP32") is None
    measured = dataclasses.replace(report.baseline, latency_ms=11.0)
    assert report.with_candidate(measured) == dataclasses.replace(report, baseline=measured)


def test_the_page_tells_what_was_found() -> None:
    kept = candidate("3/4 INT8 mse 4x1", 0.735, kept=True, file="width_mult_0.75/export/model_int8.onnx")
    blank = candidate("untimed", 0.70, latency_ms=None, sequences_per_second=None, flops=None)
    page = report_page(make_report(kept, blank, warnings=("the sample\nsays nothing",)), "picture.png")
    lines = page.splitlines()
    assert lines[0] == "# Compression report: afqmc"
    assert "> **Warning:** the sample says nothing" in lines and "![accuracy against latency](picture.png)" in lines
    (highlight,) = [line for line in lines if line.startswith("- **3/4 INT8 mse 4x1**")]
    assert "accuracy 73.50 (-0.50 points), 2.00 MB instead of 8.00, 5.00 ms a sequence (2.00x), 1,230" in highlight
    assert highlight.endswith("(width_mult_0.75/export/model_int8.onnx)")
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    assert table[2] == ["**FP32** ★", "74.00", "-", "8.00", "2.50", "3.00", "10.0", "1.00x", "494", "1.00x", "-"]
    assert table[3] == [
        "**3/4 INT8 mse 4x1** ★",
        "73.50",
        "-0.50",
        "2.00",
        "2.50",
        "3.00",
        "5.00",
        "2.00x",
        "1,230",
        "2.49x",
        "-",
    ]
    assert table[4] == ["untimed", "70.00", "-4.00", "2.00", "2.50", *6 * ["-"]]
    assert len({len(line) for line in lines if line.startswith("| ")}) == 1  # aligned as text too
    for said in ("2 threads on Some CPU", "5 to 48 tokens, 20 in the middle", "128 tokens", "batches of 32"):
        assert said in page
    assert "GFLOPs" in page and "MFLOPs" not in page
    tiny = make_report()
    tiny = dataclasses.replace(tiny, baseline=dataclasses.replace(tiny.baseline, flops=2_164_864, size=302_000_000))
    (row,) = [line for line in report_page(tiny, "picture.png").splitlines() if line.startswith("| **FP32**")]
    assert [cell.strip() for cell in row.split("|")[4:7]] == ["302.0", "2.50", "2.16"]
    assert "MFLOPs" in report_page(tiny, "picture.png")
    assert "in the middle" not in report_page(make_report(kept, row_tokens=None), "picture.png")


def test_users_texts_stay_texts(tmp_path: Path) -> None:
    name = "$x^$ a|b`c\x1b[31m\n# <script>alert(1)</script> [x](javascript:y) \u202e"
    item = candidate(name, kept=True, file=f"{name}.onnx")
    report = make_report(item, dataset=name, model=name, data_source=name, warnings=(name,), processor=name)
    page = report_page(report, "picture.png")
    assert "<script" not in page and "\x1b" not in page and "\u202e" not in page
    assert page.count("](javascript:") == page.count("\\](javascript:") > 0
    lines = page.splitlines()
    assert [line for line in lines if line.startswith("#")] == [lines[0]]
    table = [line.replace("\\|", "") for line in lines if line.startswith("| ")]
    assert len(table) == 4 and len({line.count("|") for line in table}) == 1
    plot_report(report, tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(PNG)


def test_cells_cannot_break_a_table() -> None:
    assert markdown_table(["a", "b"], [[markdown_text("x|y\nz"), "1"]]).splitlines()[2] == "| x\\|y z |   1 |"


@pytest.mark.parametrize("spread", ["apart", "equal", "together"])
@pytest.mark.parametrize("count", [0, 1, 2, 6, 25])
def test_the_picture_is_a_png_of_its_size(tmp_path: Path, count: int, spread: str) -> None:
    steps = {"apart": 1.0, "equal": 0.0, "together": 1e-9}[spread]
    made = [
        candidate(
            f"3/4 INT8 mse {index}x1",
            0.74 - 0.001 * steps * index,
            latency_ms=10 - 0.38 * steps * index,
            precision=("int8", "fp32", "fp16")[index % 3],
            kept=index % 2 == 0,
        )
        for index in range(count)
    ]
    made.append(candidate("untimed", latency_ms=None))
    path = tmp_path / "report.png"
    plot_report(make_report(*made, data_source="sample"), path)
    data = path.read_bytes()
    assert data[:8] == PNG and struct.unpack(">II", data[16:24]) == (1152, 672)
    assert data[-8:-4] == b"IEND" and [item.name for item in tmp_path.iterdir()] == ["report.png"]


def test_a_report_without_times_has_a_picture_too(tmp_path: Path) -> None:
    report = make_report()
    report = dataclasses.replace(report, baseline=dataclasses.replace(report.baseline, latency_ms=None))
    plot_report(report, tmp_path / "report.png")
    assert (tmp_path / "report.png").read_bytes()[:8] == PNG


@pytest.mark.parametrize("spread", [1.0, 0.0, 1e-9])
@pytest.mark.parametrize("count", [1, 7, 30])
def test_names_lie_inside_the_picture_and_over_nothing(count: int, spread: float) -> None:
    """However near their discs are to each other: neither over another name, nor over the axes or a legend."""
    made = [
        candidate(
            f"3/4 cut vocabulary INT8 mse {index}xall + embeddings",
            0.74 - 0.002 * spread * (index % 13),
            latency_ms=10 - 0.2 * spread * index,
            kept=True,
        )
        for index in range(count)
    ]
    figure = draw_report(make_report(*made))
    figure.canvas.draw()
    [axes] = figure.axes
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # an annotation's own has its line too
    assert len(boxes) == count + 1
    others = [axes.get_window_extent(), *(legend.get_window_extent() for legend in figure.legends)]
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= 1152 and box.y1 <= 672
        assert not any(box.overlaps(other) for other in others)
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)


def test_legends_lie_inside_the_picture_and_over_nothing() -> None:
    """With every engine, every precision and the files of a base model."""
    made = [
        candidate(f"{engine} {precision} {kept}", 0.74, precision=precision, engine=engine, kept=kept)
        for engine in ("onnxruntime", "openvino")
        for precision in ("fp32", "bf16", "int8", "fp16")
        for kept in (True, False)
    ]
    report = make_report(*made)
    report = dataclasses.replace(
        report,
        baseline=dataclasses.replace(report.baseline, size=471_800_000),
        settings={**report.settings, "max_drop": 0.5},
    )
    figure = draw_report(report)
    figure.canvas.draw()
    [axes] = figure.axes
    boxes = [legend.get_window_extent() for legend in figure.legends]
    assert len(boxes) == 2 and len(figure.legends[0].texts) == 11
    for box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= 1152 and box.y1 < axes.xaxis.label.get_window_extent().y0
    assert not boxes[0].overlaps(boxes[1])


@given(st.lists(st.floats(-0.5, 1.5), max_size=30))
def test_places_are_spread_out_in_their_order(places: list[float]) -> None:
    gap = 0.9 / 30
    found = spread_out(sorted(places), 0.05, 0.95, gap)
    assert all(0.05 - 1e-9 <= place <= 0.95 + 1e-9 for place in found)
    assert all(second - first >= gap - 1e-9 for first, second in itertools.pairwise(found))
    if len(places) == 1 and 0.05 <= places[0] <= 0.95:
        assert found == places


def three_reports() -> list[Report]:
    """Reports on three tasks; the one on reading lacks a width, and has two INT8 models to choose from."""
    pruned = candidate("3/4", 0.72, width="3/4", precision="fp32", method="", kept=True)
    first = make_report(pruned, candidate(figure=0.73, kept=True), candidate("INT8 KL 4x1", 0.739))
    tags = make_report(
        candidate("3/4", width="3/4", precision="fp32", method="", kept=True, metrics={"f1": 0.88}),
        candidate(kept=True, metrics={"f1": 0.91}),
        dataset="msra_ner",
        task="token_cls",
        metric="f1",
    )
    reading = make_report(
        candidate(kept=True, metrics={"exact_match": 0.60, "f1": 0.80}, method="static"),
        candidate("QAT INT8", kept=True, metrics={"exact_match": 0.61, "f1": 0.81}, method="qat"),
        dataset="cmrc2018",
        task="qa",
        metric="f1",
    )

    def with_baseline(report: Report, **metrics: float) -> Report:
        return dataclasses.replace(report, baseline=dataclasses.replace(report.baseline, metrics=metrics))

    return [first, with_baseline(tags, f1=0.92), with_baseline(reading, exact_match=0.63, f1=0.83)]


def test_the_table_of_several_reports() -> None:
    # FP32: (74 + 92 + 63) / 3 = 76.33; INT8: (73 + 91 + 61) / 3 = 75.00.
    assert comparison_table(three_reports()).splitlines() == [
        "| model | afqmc (accuracy) | msra_ner (F1) | cmrc2018 (EM/F1) | average | against FP32 |",
        "| ----- | ---------------: | ------------: | ---------------: | ------: | -----------: |",
        "| FP32  |            74.00 |         92.00 |      63.00/83.00 |   76.33 |            - |",
        "| INT8  |            73.00 |         91.00 |      61.00/81.00 |   75.00 |        -1.33 |",
        "| 3/4   |            72.00 |         88.00 |                - |       - |            - |",
    ]


def test_variants_have_rows_of_their_own() -> None:
    made = [
        candidate("a", 0.70, width="1/2", precision="fp32", method="", kept=True),
        candidate("b", 0.71, width="3/4", embeddings=True, kept=True),
        candidate("c", 0.72, width="3/4", embeddings=True, method="", kept=True),
        candidate("d", 0.73, precision="fp16", method="", kept=True),
        candidate("e", 0.69, width="3/4", vocabulary=90, kept=True),
    ]
    table = comparison_table([make_report(*made, data_source="sample")])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    assert [row[0] for row in rows[2:]] == [
        "FP32",
        "FP16",
        "3/4 + INT8 embeddings",
        "3/4 + INT8 + embeddings",
        "1/2",
        "3/4 + cut vocabulary + INT8",
    ]
    assert [row[3] for row in rows[2:]] == ["-", "-1.00", "-2.00", "-3.00", "-4.00", "-5.00"]
    assert table.endswith("afqmc: the toolkit's generated sample; its figures say nothing about the real data set.\n")


def test_what_qat_has_trained_counts_in_int8_only() -> None:
    """Its FP32 form, even a better one, is neither the FP32 model nor the pruned one that it was trained from."""
    trained = {"precision": "fp32", "method": "qat", "kept": True}
    made = [
        candidate("3/4", 0.72, width="3/4", precision="fp32", method="", kept=True),
        candidate("QAT", 0.80, **trained),
        candidate("3/4 QAT", 0.79, width="3/4", **trained),
        candidate("QAT INT8", 0.735, method="qat", kept=True),
        candidate("1", 0.81, precision="fp32", method="", kept=True),
    ]
    table = comparison_table([make_report(*made)])
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    assert [(row[0], row[1], row[3]) for row in rows if row] == [
        ("FP32", "74.00", "-"),
        ("INT8", "73.50", "-0.50"),
        ("3/4", "72.00", "-2.00"),
    ]


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no report to compare"):
        comparison_table([])
    for name in ("a", "b"):
        write_report(make_report(), tmp_path / name)
    with pytest.raises(ConfigError, match="are both on afqmc"):
        read_reports([tmp_path / name / REPORT_FILE for name in ("a", "b")])
    with pytest.raises(ConfigError, match="width 'half'"):
        comparison_table([make_report(candidate(width="half"))])
    with pytest.raises(ModelError, match="afqmc has no accuracy of INT8 dynamic"):
        comparison_table([make_report(candidate(kept=True, metrics={}))])


def run_script(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call scripts/compare_reports.py as a user does."""
    command = [sys.executable, str(root / "scripts" / "compare_reports.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_script_prints_and_writes(root: Path, tmp_path: Path) -> None:
    paths = []
    for report in three_reports():
        write_report(report, tmp_path / report.dataset)
        paths.append(str(tmp_path / report.dataset / REPORT_FILE))
    run = run_script(root, *paths, "--output", str(tmp_path / "table.md"))
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == comparison_table(three_reports()) == (tmp_path / "table.md").read_text(encoding="utf-8")


def test_the_script_tells_mistakes_in_one_line(root: Path, tmp_path: Path) -> None:
    write_report(make_report(), tmp_path)
    (tmp_path / "file").touch()
    good = str(tmp_path / REPORT_FILE)
    for arguments, said in (
        ((str(tmp_path / "none.json"),), "no report to read there"),
        ((good, good), "are both on afqmc"),
        ((good, "--output", str(tmp_path / "file" / "table.md")), "cannot be written"),
        ((), "the following arguments are required"),
    ):
        run = run_script(root, *arguments)
        assert run.returncode == 2 and run.stdout == "" and said in run.stderr
        assert run.stderr.count("\n") == 1


def test_the_script_starts_without_heavy_packages(root: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(root / 'scripts')!r}); import compare_reports\n"
        "heavy = {'paddle', 'paddlenlp', 'onnx', 'onnxruntime', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
