"""The table: averages of what is there alone, what is missing said, spread over seeds."""

import csv
import io
import json
import statistics
from pathlib import Path

import pytest
from clue_results import metrics_of, write_cell
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.clue_benchmark.grid import CLUE_DATASETS
from ernie_toolkit.clue_benchmark.selection import best_group, keep_needed_models, read_results
from ernie_toolkit.clue_benchmark.table import as_csv, as_json, average_text, heading, markdown, read_rows
from ernie_toolkit.clue_benchmark.trials import MODEL
from ernie_toolkit.errors import ConfigError, DataError

RATE = {"learning_rate": 1e-5}
VALUES = st.floats(0, 1)


@given(st.lists(VALUES, max_size=len(CLUE_DATASETS)))
def test_an_average_says_over_how_many(values: list[float]) -> None:
    text = average_text(values)
    if not values:
        assert text == "-"
        return
    assert float(text.split()[0]) == pytest.approx(100 * statistics.fmean(values), abs=0.0051)
    assert text.endswith(f"({len(values)} of 10 sets)") == (len(values) < len(CLUE_DATASETS))


@given(scores=st.dictionaries(st.sampled_from((*CLUE_DATASETS, "msra_ner", "multi_label")), VALUES, min_size=1))
def test_missing_scores_are_in_no_average(tmp_path_factory: pytest.TempPathFactory, scores: dict[str, float]) -> None:
    results = tmp_path_factory.mktemp("results")
    for name, value in scores.items():
        write_cell(results, "model", name, [(RATE, 1, dict(metrics_of(name, value)))])
    (row,) = read_rows(results)
    clue = {name: value for name, value in scores.items() if name in CLUE_DATASETS}
    assert row.average == (pytest.approx(statistics.fmean(clue.values())) if clue else None)
    first = markdown([row]).splitlines()[3].strip("|").split(" | ")
    shown = dict(zip(("model", *CLUE_DATASETS), (cell.strip() for cell in first), strict=False))
    for name in CLUE_DATASETS:
        assert (shown[name] == "-") == (name not in clue)
    missing = [name.upper() for name in CLUE_DATASETS if name not in clue]
    assert (f"({', '.join(missing)})" in markdown([row])) == bool(missing)
    lines = list(csv.DictReader(io.StringIO(as_csv([row]))))
    assert lines[-1]["data set"] == "AVG"
    assert {line["data set"] for line in lines if line["mean"] == "-"} >= {name.lower() for name in missing}
    found = json.loads(as_json([row]))["rows"][0]
    assert found["average"]["sets"] == len(clue) and all(found["scores"][name.lower()] is None for name in missing)


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 3), VALUES), min_size=1, max_size=12, unique_by=lambda t: t[:2]
    )
)
def test_the_best_settings_have_the_largest_mean(
    tmp_path_factory: pytest.TempPathFactory, trials: list[tuple[int, int, float]]
) -> None:
    results = tmp_path_factory.mktemp("results")
    cell = write_cell(
        results, "m", "tnews", [({"batch": batch}, seed, {"accuracy": value}) for batch, seed, value in trials]
    )
    found = best_group(read_results(cell))
    assert found is not None
    groups = {batch: [value for other, _, value in trials if other == batch] for batch, _, _ in trials}
    most = max(map(len, groups.values()))
    best = max(statistics.fmean(values) for values in groups.values() if len(values) == most)
    assert found.mean("accuracy") == pytest.approx(best) and len(found.results) == most
    assert found.spread("accuracy") == pytest.approx(statistics.pstdev(item.score for item in found.results))
    assert found.best.score == max(item.score for item in found.results)


def test_how_cells_are_shown(tmp_path: Path) -> None:
    write_cell(tmp_path, "a", "cmrc2018", [(RATE, 1, {"exact_match": 0.5, "f1": 0.75})])
    write_cell(tmp_path, "a", "tnews", [(RATE, 1, {"accuracy": 0.5}), (RATE, 2, {"accuracy": 0.6}), (RATE, 3, {})])
    write_cell(tmp_path, "b", "multi_label", [(RATE, 1, {"macro_f1": 0.25, "micro_f1": 0.5})], data_source="sample")
    text = markdown(read_rows(tmp_path))
    assert "| 50.00/75.00 |" in text and "| 55.00±5.00 |" in text and "| 50.00/25.00 |" in text
    assert "CMRC2018 (EM/F1)" in text and "MULTI_LABEL (micro F1/macro F1)" in text
    assert "| 52.50 (2 of 10 sets) |" in text and "population standard deviation" in text
    assert "trials finished: a/tnews 2 of 3" in text and "generated sample" in text
    assert heading("c3") == "C3" and heading("msra_ner") == "MSRA_NER (F1)"


def test_settings_that_differ_in_a_column_are_said(tmp_path: Path) -> None:
    for model, epochs in (("a", 1), ("b", 3)):
        write_cell(tmp_path, model, "tnews", [(RATE, 1, {"accuracy": 0.5})], settings={"num_train_epochs": epochs})
    assert "TNEWS: rows are not comparable: num_train_epochs is 1 (a), 3 (b)" in markdown(read_rows(tmp_path)).replace(
        "\\", ""
    )


def test_models_that_cannot_be_the_best_are_deleted(tmp_path: Path) -> None:
    cell = write_cell(
        tmp_path, "a", "tnews", [({"batch": n}, seed, {"accuracy": n / 10}) for n in (1, 2) for seed in (1, 2)]
    )
    models = [cell / "trials" / f"trial-{number:03d}" / MODEL for number in range(4)]
    for path in models:
        path.mkdir()
    keep_needed_models(cell, seeds=2)
    assert [path.is_dir() for path in models] == [True, False, True, False]
    keep_needed_models(cell, seeds=1)
    assert [path.is_dir() for path in models] == [False, False, True, False]


def test_what_is_no_results(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no results in it"):
        read_rows(tmp_path)
    with pytest.raises(ConfigError, match="no such directory"):
        read_rows(tmp_path / "none")
    cell = write_cell(tmp_path, "a", "tnews", [(RATE, 1, {"accuracy": 0.5})])
    (cell / "trials" / "trial-000" / "metrics.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="no record of a trial"):
        read_rows(tmp_path)
