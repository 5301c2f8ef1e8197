"""multi_label/predict.py and multi_label/deploy/predictor/infer.py on files of which not every line is a text."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import ROOT, make_tiny_model

from ernie_toolkit.data.label_sets import write_sample_directory
from ernie_toolkit.data.sample.reviews import LABELS
from ernie_toolkit.models import Vocabulary, save_model

LINES = ("快递当天就到了，不过外盒压得变形。", "", "用料很精细\t物流好评", "这是给家里老人买的。", "", "")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> Path:
    """A directory with the sample, whose data.txt has lines that are no texts, an untrained model and its bundle."""
    from ernie_toolkit.export import Origin, export_bundle
    from ernie_toolkit.tasks import MultiLabelClassification
    from ernie_toolkit.text.tokenization import build_tokenizer

    where = tmp_path_factory.mktemp("place")
    write_sample_directory(where / "data")
    (where / "data" / "data.txt").write_text("\n".join(LINES), encoding="utf-8")
    loaded = make_tiny_model(vocabulary, LABELS, "multi_label", initializer_range=0.3)
    save_model(loaded.model, loaded.vocabulary, where / "model")
    tokenizer = build_tokenizer(vocabulary.tokens, vocabulary.do_lower_case)
    task, origin = MultiLabelClassification(LABELS, 48), Origin("reviews", "sample", {}, ())
    export_bundle(loaded.model, tokenizer, task, origin, [LINES[0]], where / "export")
    return where


def call(place: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "multi_label" / script), *arguments]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)


def predict(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return call(place, "predict.py", "--params_path", "model", "--device", "cpu", "--max_seq_length", "48", *arguments)


def test_a_line_for_every_line(place: Path) -> None:
    stopped = predict(place)
    assert stopped.returncode == 2 and "data.txt:2: a blank line" in stopped.stderr
    done = predict(place, "--on_error", "skip", "--threshold", "0")
    assert done.returncode == 0 and "2 of 4 row(s) have no answer, the first: data/data.txt:2" in done.stderr
    lines = (place / "output.txt").read_text(encoding="utf-8").split("\n")
    every = ",".join(LABELS)
    assert lines == [f"{LINES[0]}\t{every}", "", "", f"{LINES[3]}\t{every}", ""]


def test_json_has_lines_and_reasons(place: Path) -> None:
    done = predict(place, "--on_error", "skip", "--output_file", "out.jsonl")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (place / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["line"], row["text"]) for row in rows] == [(1, LINES[0]), (2, None), (3, None), (4, LINES[3])]
    assert [row["labels"] is None for row in rows] == [False, True, True, False]
    assert len(rows[0]["confidences"]) == len(rows[0]["labels"]) and "a tab in a text" in rows[2]["reason"]


def test_files_of_something_else(place: Path) -> None:
    (place / "data" / "tags.txt").write_text("李 B-PER\n明 I-PER\n", encoding="utf-8")
    (place / "data" / "table.txt").write_text("text\n好吃\n", encoding="utf-8")
    for name, message in (("tags.txt", "is a tagged file"), ("table.txt", "a header (text)")):
        done = predict(place, "--data_file", name, "--on_error", "skip")
        assert done.returncode == 2 and message in done.stderr, done.stderr


def test_the_predictor_shows_why(place: Path) -> None:
    arguments = ("--model_path_prefix", "export/float32", "--dataset_dir", "data")
    stopped = call(place, "deploy/predictor/infer.py", *arguments)
    assert stopped.returncode == 2 and "data.txt:2: a blank line" in stopped.stderr
    done = call(place, "deploy/predictor/infer.py", *arguments, "--on_error", "skip")
    assert done.returncode == 0 and done.stdout.count("input data: ") == 4, done.stderr
    assert done.stdout.count("no answer: data/data.txt:") == 2 and done.stdout.count("label: ") == 2
