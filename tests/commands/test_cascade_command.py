"""`ernie-toolkit cascade`: what is chosen on which rows, what is written, and what is refused in one line."""

import dataclasses
from pathlib import Path

import pytest
from cascades import SHAPES
from task_bundles import make_multi_label_bundle, make_task_bundle

from ernie_toolkit.bundle import Bundle, read_cascade
from ernie_toolkit.bundle.cascade import CascadeInfo, CascadePart
from ernie_toolkit.commands.cascade import main
from ernie_toolkit.data import DataSet, load_dataset
from ernie_toolkit.data.label_sets import write_sample_directory
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.cascade.building import (
    CascadeOptions,
    draft_cascade,
    gain_problem,
    halves,
    plan_cascade,
)
from ernie_toolkit.models import Vocabulary

# So much larger than the first of `SHAPES` that it is slower on any machine, however busy.
LARGE: dict[str, object] = {
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "intermediate_size": 1024,
    "initializer_range": 0.05,
}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> list[Bundle]:
    """A small bundle and a large one for pairs; read only."""
    return [
        make_task_bundle("seq_cls", vocabulary, tmp_path_factory.mktemp("part"), **shape)
        for shape in (SHAPES[0], LARGE)
    ]


@pytest.fixture(scope="module")
def data() -> DataSet:
    """Two hundred dev rows of the sample."""
    return load_dataset("afqmc", data_source="sample", splits=("dev",), limits={"dev": 200})


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[str, str]:
    """What the command prints."""
    main(list(map(str, words)))
    return capsys.readouterr()


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line of an error with exit code 2, behind what was said of the data."""
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, words)))
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert [line.startswith("warning: ") for line in lines] == [True] * (len(lines) - 1) + [False], lines
    return lines[-1]


def test_a_cascade_is_written_and_opened(
    parts: list[Bundle], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--bundles", *(part.directory for part in parts), "--dataset", "afqmc", "--data_source", "sample")
    words = (*words, "--max_dev_samples", 80, "--output_dir", tmp_path / "out", "--engine", "onnxruntime")
    out, err = run(capsys, *words, "--max_drop", 100)
    assert "part_1: onnxruntime fp32, answers 100.0% of rows (max_probability >= 0.0000, " in out
    assert "thresholds chosen on 40 dev rows, everything measured on the other 40" in out
    assert "generated sample" in err and "part_2 of the cascade answered none of 40 rows" in err
    cascade = read_cascade(tmp_path / "out").cascade
    assert [part.share for part in cascade.parts] == [1.0, 0.0] and cascade.data_source == "sample"
    assert cascade.sequences_per_second > cascade.parts[1].sequences_per_second
    assert any("generated sample" in line for line in cascade.warnings)
    small, found = (Predictor(path, engine="onnxruntime") for path in (parts[0], tmp_path / "out"))
    texts = [("怎么还款", "如何还款"), ("密码忘了", "在哪里重设")]
    assert found.predict(texts) == small.predict(texts)
    assert "has a cascade already: give another --output_dir, or --overwrite_output_dir" in refused(capsys, *words)
    before = (tmp_path / "out" / "bundle.json").read_bytes()
    assert "is a cascade of bundles" in refused(
        capsys, *words, "--bundles", parts[0].directory, tmp_path / "out", "--overwrite_output_dir"
    )
    assert (tmp_path / "out" / "bundle.json").read_bytes() == before
    run(capsys, *words, "--max_drop", 100, "--overwrite_output_dir", "--confidence", "margin")
    assert read_cascade(tmp_path / "out").cascade.confidence == "margin"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_sets_of_labels(vocabulary: Vocabulary, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [
        make_multi_label_bundle(vocabulary, tmp_path / str(n), **shape).directory
        for n, shape in enumerate((SHAPES[0], LARGE))
    ]
    write_sample_directory(tmp_path / "data")
    words = ("--bundles", *parts, "--output_dir", tmp_path / "out", "--max_drop", 100)
    assert "gives sets of labels: give --data_dir" in refused(capsys, *words, "--dataset", "custom")
    assert "nowhere: no such data directory: check --data_dir" in refused(capsys, *words, "--data_dir", "nowhere")
    out, _ = run(capsys, *words, "--data_dir", tmp_path / "data")
    assert "micro_f1" in out and "margin >= " in out
    cascade = read_cascade(tmp_path / "out").cascade
    assert (cascade.metric_name, cascade.confidence) == ("micro_f1", "margin")


def test_what_is_refused(parts: list[Bundle], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small, large = (part.directory for part in parts)
    words = ("--output_dir", tmp_path / "out", "--data_source", "sample", "--max_dev_samples", 80)
    both = ("--bundles", small, large)
    assert "1 part(s), and a cascade has 2 to 5" in refused(capsys, *words, "--bundles", small, "--dataset", "afqmc")
    assert "--dataset is missing" in refused(capsys, *words, *both)
    assert "'tnews'" in refused(capsys, *words, *both, "--dataset", "tnews")
    assert "is of task 'token_cls'" in refused(capsys, *words, *both, "--dataset", "msra_ner")
    assert "30 dev row(s)" in refused(capsys, *words, *both, "--dataset", "afqmc", "--max_dev_samples", 30)
    # The larger first: whatever is deferred costs more.
    slow = refused(capsys, *words, "--bundles", large, small, "--dataset", "afqmc", "--max_drop", 100)
    assert "no cascade is written: the cascade is no faster than its last part at 100 points or less" in slow
    assert not (tmp_path / "out").exists()


def test_thresholds_are_chosen_on_one_half_alone(parts: list[Bundle], data: DataSet) -> None:
    predictors = [Predictor(part, engine="onnxruntime") for part in parts]
    dev = data.split("dev")
    options = CascadeOptions(max_drop=1.0, seed=3)
    choosing, measuring = halves(len(dev), options.seed)
    assert sorted(choosing + measuring) == list(range(200)) and len(choosing) == 100
    assert halves(200, 3) == (choosing, measuring) != halves(200, 4)

    def gates(rows: list[int]) -> list[tuple[float, float]]:
        """Those that are chosen where these rows have the other label."""
        changed = [{**row, "label": str(1 - int(row["label"]))} if n in rows else row for n, row in enumerate(dev)]
        draft, left = draft_cascade(parts, predictors, dataclasses.replace(data, dev=changed), options)
        assert left.inputs == [predictors[0].task.inputs([dev[row]])[0] for row in measuring]
        return [(part.temperature, part.threshold) for part in draft.parts]

    assert gates([]) == gates(measuring) != gates(choosing)
    assert gates([])[-1][1] == 0


def measured(metric: float, speed: float) -> CascadeInfo:
    """A cascade before a last part with 60 points and 100 rows a second, of which it may lose one point."""
    last = CascadePart("part_2", "", 1.0, 0.0, 0.5, 0.6, 100.0, "onnxruntime", "fp32")
    drop = 60 - 100 * metric
    parts = (dataclasses.replace(last, name="part_1"), last)
    rows = (20, 20, 1, 32, "")
    return CascadeInfo("seq_cls", "afqmc", "", "margin", parts, "accuracy", metric, speed, 1.0, drop, *rows)


def test_what_gains_nothing() -> None:
    assert gain_problem(measured(0.595, 160.0)) == "" == gain_problem(measured(0.7, 101.0))
    assert "loses 2.00 points on the rows that did not choose its thresholds" in gain_problem(measured(0.58, 160.0))
    assert "is no faster than its last part" in gain_problem(measured(0.6, 100.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CascadeOptions(max_drop=-1.0), "max_drop is -1.0"),
        (CascadeOptions(confidence="entropy"), "`confidence` 'entropy' is not known"),
        (CascadeOptions(seed=-1), "seed is -1"),
        (CascadeOptions(batch_size=0), "batch_size is 0"),
        (CascadeOptions(num_threads=0), "num_threads is 0"),
    ],
)
def test_options_are_checked_first(options: CascadeOptions, message: str, parts: list[Bundle], data: DataSet) -> None:
    with pytest.raises(ConfigError, match=message):
        plan_cascade(parts, data, options)
