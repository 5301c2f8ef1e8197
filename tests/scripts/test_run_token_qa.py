"""run_token_cls.py and run_qa.py as a user runs them: what is refused, custom data, published starting points."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ernie_toolkit.arguments.options import ReadingOptions
from ernie_toolkit.arguments.settings import read_config, resolve_options
from ernie_toolkit.decoding import SpanAnswer, TaggedText
from ernie_toolkit.inference import Predictor
from ernie_toolkit.training.options import TrainingOptions

OPTIONS = (TrainingOptions, ReadingOptions)
SMALL = (
    "--dataset",
    "custom",
    "--model_name_or_path",
    "ernie-sample-nano",
    "--device",
    "cpu",
    "--disable_tqdm",
    "--do_train",
    "--do_eval",
    "--do_predict",
    "--do_export",
)


def run(root: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script from the project's directory."""
    command = [sys.executable, str(root / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("run_token_cls.py", ("--dataset", "tnews"), "use run_seq_cls.py for it"),
        ("run_qa.py", ("--dataset", "msra_ner"), "use run_token_cls.py for it"),
        ("run_seq_cls.py", ("--dataset", "cmrc2018"), "use run_qa.py for it"),
        ("run_token_cls.py", ("--dataset", "msra"), "data set 'msra' is not known"),
        ("run_token_cls.py", ("--doc_stride", "three"), "invalid int value: 'three'"),
        ("run_token_cls.py", ("--metric_for_best_model", "accuracy"), "measured by f1, precision, recall, loss"),
        ("run_qa.py", ("--metric_for_best_model", "recall"), "measured by f1, exact_match, loss"),
        ("run_qa.py", ("--doc_stride", "-1"), "--doc_stride is -1"),
        ("run_qa.py", ("--n_best_size", "0"), "--n_best_size is 0"),
        ("run_qa.py", ("--max_answer_length", "0"), "--max_answer_length is 0"),
        ("run_qa.py", ("--dataset", "custom"), "needs --train_file"),
        ("run_qa.py", ("--data_dir", "nowhere"), "nowhere: no such directory"),
    ],
)
def test_arguments_that_are_refused(root: Path, script: str, arguments: tuple[str, ...], message: str) -> None:
    result = run(root, script, *arguments)
    assert result.returncode == 2 and message in result.stderr, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("script", ["run_token_cls.py", "run_qa.py"])
def test_help_needs_no_paddle_and_names_the_data(root: Path, script: str) -> None:
    code = (
        f"import runpy, sys; sys.argv = ['{script}', '--help']\n"
        f"try: runpy.run_path('{script}', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'paddle', 'paddlenlp', 'matplotlib', 'yaml'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    name = "cmrc2018" if script == "run_qa.py" else "msra_ner"
    assert f"data sets: {name}, custom" in result.stdout and f"(default: {name})" in " ".join(result.stdout.split())
    assert ("--doc_stride" in result.stdout) == (script == "run_qa.py")


@pytest.mark.parametrize(
    ("task", "dataset", "published"),
    [
        ("token_cls", "msra_ner", (1, 5e-5, 8, 16, 128)),
        ("qa", "cmrc2018", (1, 5e-5, 12, 12, 512)),
        ("multiple_choice", "c3", (8, 2e-5, 24, 24, 512)),
        ("multiple_choice", "chid", (3, 3e-5, 24, 24, 64)),
    ],
)
def test_published_starting_points(root: Path, task: str, dataset: str, published: tuple[float, ...]) -> None:
    config = read_config(root / "configs" / "default.yml", task, dataset, OPTIONS)
    options = resolve_options(TrainingOptions, config, argparse.Namespace())
    assert published == (
        options.num_train_epochs,
        options.learning_rate,
        options.per_device_train_batch_size,
        options.per_device_eval_batch_size,
        options.max_seq_length,
    )
    reading = resolve_options(ReadingOptions, config, argparse.Namespace())
    assert (reading.doc_stride, reading.n_best_size, reading.max_answer_length) == (128, 20, 50)


def sentence(number: int) -> list[tuple[str, str]]:
    """A word and its tag: somebody buys something somewhere."""
    name, thing, place = ("Tom", "Li Na", "Bo")[number % 3], "书笔包"[number % 3], ("东城", "西站")[number // 3 % 2]
    words = [(word, "B-WHO" if i == 0 else "I-WHO") for i, word in enumerate(name.split())]
    return [*words, ("在", "O"), (place, "B-WHERE"), ("买", "O"), (thing, "O"), (str(number), "O")]


def test_custom_tags_from_start_to_answer(root: Path, tmp_path: Path) -> None:
    for split, numbers in {"train": range(80), "dev": range(80, 104), "test": range(104, 110)}.items():
        rows = [sentence(number) for number in numbers]
        if split == "train":
            content = "\n".join("".join(f"{word} {tag}\n" for word, tag in row) for row in rows)
        else:
            objects: list[dict[str, Any]] = [{"tokens": [word for word, _ in row]} for row in rows]
            if split == "dev":
                objects = [{**item, "labels": [tag for _, tag in row]} for item, row in zip(objects, rows, strict=True)]
            content = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in objects)
        (tmp_path / (f"{split}.txt" if split == "train" else f"{split}.jsonl")).write_text(content, encoding="utf-8")
    files = [f"--{name.split('.')[0]}_file={tmp_path / name}" for name in ("train.txt", "dev.jsonl", "test.jsonl")]
    output = ("--output_dir", str(tmp_path), "--export_model_dir", str(tmp_path))
    settings = ("--max_steps", "60", "--learning_rate", "3e-3", "--max_seq_length", "16")
    result = run(root, "run_token_cls.py", *SMALL, *files, *output, *settings)
    assert result.returncode == 0, result.stderr
    directory = tmp_path / "custom"
    metrics = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    assert metrics["f1"] > 0.9 and {"WHO/f1", "WHERE/recall"} <= set(metrics)
    assert "precision     recall         f1    support" in result.stdout
    predictor = Predictor(directory / "export")
    assert predictor.labels == ("B-WHERE", "I-WHERE", "B-WHO", "I-WHO", "O")
    rows_ = json.loads((directory / "test_results.json").read_text(encoding="utf-8"))["predictions"]
    for row, answer in zip(rows_, predictor.predict([row["text"] for row in rows_]), strict=True):
        assert isinstance(answer, TaggedText) and list(answer.tags) == row["tags"]
    assert any(item["text"] == "Li Na" for row in rows_ for item in row["entities"])
    wrong = run(root, "run_qa.py", "--do_eval", "--model_name_or_path", str(directory), "--data_source", "sample")
    assert wrong.returncode == 2 and "trained for the task 'token_cls', not for 'qa'" in wrong.stderr
    dev = tmp_path / "dev.tsv"
    dev.write_text("她在哪里\t地点\n", encoding="utf-8")
    wrong = run(
        root,
        "run_seq_cls.py",
        "--dataset",
        "custom",
        f"--dev_file={dev}",
        "--do_eval",
        "--model_name_or_path",
        str(directory),
    )
    assert wrong.returncode == 2 and "trained for the task 'token_cls', not for 'seq_cls'" in wrong.stderr


def test_custom_questions_from_start_to_answer(root: Path, tmp_path: Path) -> None:
    for split, numbers in {"train": range(60), "dev": range(60, 80), "test": range(80, 86)}.items():
        paragraphs = []
        for n in numbers:
            context = f"桥长{n}米，宽{n % 7 + 3}米。"
            answers = [{"text": f"{n}米", "answer_start": 2 if n % 5 else 3}]
            question = {"id": f"{split}{n}", "question": "长多少？", "answers": [] if split == "test" else answers}
            paragraphs.append({"context": context, "qas": [question]})
        content = json.dumps({"data": [{"paragraphs": paragraphs}]}, ensure_ascii=False)
        (tmp_path / f"{split}.json").write_text(content, encoding="utf-8")
    broken = json.loads((tmp_path / "train.json").read_text(encoding="utf-8"))
    broken["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["text"] = "无处"
    (tmp_path / "train.json").write_text(json.dumps(broken, ensure_ascii=False), encoding="utf-8")
    files = [f"--{split}_file={tmp_path / split}.json" for split in ("train", "dev", "test")]
    output = ("--output_dir", str(tmp_path), "--export_model_dir", str(tmp_path))
    settings = ("--max_steps", "60", "--learning_rate", "3e-3", "--max_seq_length", "48", "--n_best_size", "4")
    result = run(root, "run_qa.py", *SMALL, *files, *output, *settings)
    assert result.returncode == 0, result.stderr
    assert "1 question(s) whose answer is not found in the context left out" in result.stderr
    assert "train.json: train0\n" in result.stderr
    directory = tmp_path / "custom"
    report = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    assert report["metrics"]["exact_match"] > 0.9 and report["left_out"] == {"train": 1, "dev": 0, "test": 0}
    rows = json.loads((directory / "test_results.json").read_text(encoding="utf-8"))["predictions"]
    submission = json.loads((directory / "custom_predict.json").read_text(encoding="utf-8"))
    assert submission == {row["id"]: row["answer"] for row in rows} and len(rows[0]["n_best"]) == 4
    predictor = Predictor(directory / "export")
    assert predictor.bundle.info.limits == {"doc_stride": 128, "n_best_size": 4, "max_answer_length": 50}
    [answer] = predictor.predict([("长多少？", "桥长77米，宽5米。")])
    assert isinstance(answer, SpanAnswer) and answer.text == "77米"
