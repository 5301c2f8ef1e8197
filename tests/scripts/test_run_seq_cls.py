"""run_seq_cls.py as a user runs it: what is refused, and how fast."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from ernie_toolkit.arguments.options import ReadingOptions
from ernie_toolkit.arguments.settings import add_options, read_config, resolve_options
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.training.options import TrainingOptions

OPTIONS = (TrainingOptions, ReadingOptions)
PUBLISHED = {
    "afqmc": (1, 3e-5, 32, 128),
    "tnews": (3, 5e-5, 32, 128),
    "iflytek": (3, 5e-5, 16, 128),
    "ocnli": (6, 5e-5, 64, 128),
    "cmnli": (4, 2e-5, 32, 128),
    "cluewsc2020": (50, 3e-5, 16, 128),
    "csl": (8, 5e-5, 64, 256),
}


def run(root: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the script from the project's directory."""
    command = [sys.executable, str(root / "run_seq_cls.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd or root, check=False)


def refused(result: subprocess.CompletedProcess[str], message: str) -> None:
    """Check for one line on standard error, exit code 2 and no traceback."""
    assert result.returncode == 2, result.stderr
    assert message in result.stderr and "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr


def test_help_needs_no_paddle(root: Path) -> None:
    code = (
        "import runpy, sys; sys.argv = ['run_seq_cls.py', '--help']\n"
        "try: runpy.run_path('run_seq_cls.py', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'paddle', 'paddlenlp', 'matplotlib', 'yaml'} & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    for flag in ("--model_name_or_path", "--dataset", "--max_seq_length", "--early_stopping", "--fp16", "--save_steps"):
        assert flag in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dataset", "afqmcc"), "data set 'afqmcc' is not known: use one of afqmc, tnews"),
        (("--datasets", "afqmc"), "unrecognized arguments"),
        (("--learning_rate", "fast"), "invalid float value"),
        (("--per_device_train_batch_size", "0"), "--per_device_train_batch_size is 0"),
        (("--do_train", "perhaps"), "neither true nor false"),
        (("--do_train", "false"), "nothing to do"),
        (("--device", "tpu"), "'tpu' is no device: use one of cpu, gpu, xpu, npu, or gpu:0 for one card"),
        (("--data_source", "web"), "invalid choice"),
        (("--fp16", "--bf16"), "exclude each other"),
        (("--config", "nowhere.yml"), "nowhere.yml: no such configuration file"),
        (("--data_dir", "nowhere"), "nowhere: no such directory"),
        (("--data_dir", ".", "--data_source", "sample"), "--data_source sample takes no --data_dir"),
        (("--model_name_or_path", "./nowhere"), "no such model directory"),
        (("--dataset", "custom"), "needs --train_file"),
        (("--train_file", "x.tsv"), "--train_file is for --dataset custom"),
        (("--do_eval", "--output_dir", "nowhere"), "no trained model there"),
        (("--max_train_samples", "-1", "--data_source", "sample"), "must not be negative"),
        (("--data_source", "official"), "cannot be downloaded"),
    ],
)
def test_arguments_that_are_refused(root: Path, arguments: tuple[str, ...], message: str) -> None:
    started = time.perf_counter()
    refused(run(root, *arguments), message)
    # Well under the time that importing paddle alone takes, with room for a busy machine.
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"sentence1": "a", "sentence2": "b", "label": "7"}', "train.json:2: label '7' is not one of"),
        ('{"sentence1": "a", "sentence2": "b", "label": "1"', "train.json:2: not valid JSON"),
        ('{"sentence1": "a", "label": "1"}', "train.json:2: no field 'sentence2'"),
        ('{"sentence1": "a", "sentence2": " ", "label": "1"}', "train.json:2: field 'sentence2' is an empty text"),
        ('{"sentence1": "a", "sentence2": "b"}', "train.json:2: no label"),
        ("[]", "train.json:2: a JSON list"),
    ],
)
def test_lines_that_are_refused(root: Path, tmp_path: Path, line: str, message: str) -> None:
    good = '{"sentence1": "甲", "sentence2": "乙", "label": "1"}\n'
    (tmp_path / "train.json").write_text(good + line + "\n", encoding="utf-8")
    (tmp_path / "dev.json").write_text(good, encoding="utf-8")
    refused(run(root, "--data_dir", str(tmp_path), "--output_dir", str(tmp_path / "out")), message)
    assert not (tmp_path / "out").exists()


def test_bytes_that_are_no_utf8(root: Path, tmp_path: Path) -> None:
    (tmp_path / "train.json").write_bytes('{"sentence1": "甲"}\n'.encode("gb18030"))
    (tmp_path / "dev.json").write_bytes(b"")
    refused(run(root, "--data_dir", str(tmp_path)), "train.json:1: byte 16 of the line (0xbc) is not UTF-8")


@pytest.mark.parametrize(
    ("flag", "message"), [("--device=gpu", "sees no gpu"), ("--fp16", "need a GPU"), ("--device=npu", "sees no npu")]
)
def test_a_device_that_is_not_there(root: Path, tmp_path: Path, flag: str, message: str) -> None:
    import paddle

    if paddle.is_compiled_with_cuda():
        pytest.skip("this PaddlePaddle may see a GPU")
    result = run(root, "--data_source", "sample", "--output_dir", str(tmp_path), flag)
    assert result.returncode == 2 and message in result.stderr.splitlines()[-1] and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("key", {"DefaultArgs": {"learning_rat": 1}}, "unknown key 'learning_rat' in DefaultArgs"),
        ("section", {"Sequence": {}}, "unknown key 'Sequence'"),
        ("dataset key", {"SequenceClassification": {"tnews": {"epochs": 1}}}, "unknown key 'epochs' in Sequence"),
        ("type", {"DefaultArgs": {"seed": "x"}}, "DefaultArgs.seed is 'x': it must be of type int"),
        ("number", {"DefaultArgs": {"learning_rate": "x"}}, "DefaultArgs.learning_rate is 'x': it must be a number"),
        ("bool", {"DefaultArgs": {"seed": True}}, "must be of type int"),
        ("choice", {"DefaultArgs": {"lr_scheduler_type": "up"}}, "use one of linear"),
        ("list", [1], "not a mapping of sections"),
        ("flat", {"SequenceClassification": 3}, "is not a mapping of data sets"),
        ("flat set", {"SequenceClassification": {"tnews": 3}}, "is not a mapping of option names"),
    ],
)
def test_configurations_that_are_refused(tmp_path: Path, name: str, content: object, message: str) -> None:
    path = tmp_path / "c.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(path, "seq_cls", "afqmc", OPTIONS)
    assert str(path) in str(caught.value)


def test_broken_yaml(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("a: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "c.yml", "seq_cls", "afqmc", OPTIONS)


@pytest.mark.parametrize("dataset", list(PUBLISHED))
def test_published_starting_points(root: Path, dataset: str) -> None:
    config = read_config(root / "configs" / "default.yml", "seq_cls", dataset, OPTIONS)
    options = resolve_options(TrainingOptions, config, argparse.Namespace())
    epochs, rate, batch, length = PUBLISHED[dataset]
    assert (options.num_train_epochs, options.learning_rate) == (epochs, rate)
    assert (options.per_device_train_batch_size, options.max_seq_length) == (batch, length)


def test_command_line_beats_yaml_beats_defaults(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    path.write_text(
        "DefaultArgs: {seed: 1, max_steps: 5, learning_rate: 1e-4}\n"
        "SequenceClassification: {tnews: {seed: 2}}\n"
        "Sample: {tnews: {max_steps: 6}}\n",
        encoding="utf-8",
    )
    parser = argparse.ArgumentParser()
    add_options(parser, TrainingOptions)
    given = parser.parse_args(["--max_seq_length", "64"])

    def resolved(sample: bool) -> TrainingOptions:
        config = read_config(path, "seq_cls", "tnews", OPTIONS, sample)
        options: TrainingOptions = resolve_options(TrainingOptions, config, given)
        return options

    assert (resolved(False).seed, resolved(False).max_steps, resolved(False).max_seq_length) == (2, 5, 64)
    assert (resolved(True).max_steps, resolved(True).learning_rate) == (6, 1e-4)
    assert resolved(False).warmup_ratio == TrainingOptions().warmup_ratio


def test_custom_data_from_start_to_answer(root: Path, tmp_path: Path) -> None:
    """A user's own tab-separated files: train, evaluate, predict, export, and read the bundle."""
    rows = {"train": 40, "dev": 12, "test": 5}
    for split, count in rows.items():
        labelled = [
            f"{'好' * (i % 5 + 1)}评价{i % 7}\t正面\n{'坏' * (i % 5 + 1)}评价{i % 7}\t负面\n" for i in range(count)
        ]
        content = "".join(labelled)
        if split == "test":
            content = "".join(line.split("\t")[0] + "\n" for line in content.splitlines())
        (tmp_path / f"{split}.tsv").write_text(content, encoding="utf-8")
    files = [f"--{split}_file={tmp_path / split}.tsv" for split in rows]
    result = run(
        root,
        "--dataset",
        "custom",
        *files,
        "--model_name_or_path",
        "ernie-sample-nano",
        "--output_dir",
        str(tmp_path),
        "--export_model_dir",
        str(tmp_path),
        "--do_train",
        "--do_eval",
        "--do_predict",
        "--do_export",
        "--max_steps",
        "20",
        "--learning_rate",
        "2e-3",
        "--device",
        "cpu",
        "--disable_tqdm",
    )
    assert result.returncode == 0, result.stderr
    directory = tmp_path / "custom"
    metrics = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["metrics"]["accuracy"] > 0.9 and metrics["data_source"] == "custom" and not metrics["warnings"]
    answers = json.loads((directory / "test_results.json").read_text(encoding="utf-8"))["predictions"]
    assert [row["id"] for row in answers] == list(range(10))
    submission = (directory / "custom_predict.json").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["label"] for line in submission] == [row["label"] for row in answers]
    assert (directory / "training_curve.png").read_bytes().startswith(b"\x89PNG")

    from ernie_toolkit.inference import Predictor

    predictor = Predictor(directory / "export")
    texts = (tmp_path / "test.tsv").read_text(encoding="utf-8").splitlines()
    assert [answer.label for answer in predictor.predict(texts)] == [row["label"] for row in answers]
    # A model of these labels does not answer for another data set's.
    wrong = run(root, "--do_eval", "--model_name_or_path", str(directory), "--data_source", "sample", "--device", "cpu")
    assert wrong.returncode == 2 and "was trained for other labels (正面, 负面" in wrong.stderr
