"""multi_label/*.py as a user runs them, each in a process of its own: from data to pruned models."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ernie_toolkit.data.label_sets import read_label_list, read_label_sets, split_line, write_sample_directory
from ernie_toolkit.decoding import LabelSetAnswer
from ernie_toolkit.inference import Predictor
from ernie_toolkit.tasks import MultiLabelClassification

pytestmark = pytest.mark.slow
FEW = ("--max_steps", "8", "--save_steps", "4", "--max_seq_length", "48", "--disable_tqdm", "--report_to", "none")
SCRIPTS = ("train.py", "predict.py", "export_model.py", "prune.py", "doccano.py")


def call(root: Path, where: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "multi_label" / script), *arguments]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=600, check=False)


def refused(done: subprocess.CompletedProcess[str], message: str) -> None:
    """Check for one line on standard error, exit code 2 and no traceback."""
    assert done.returncode == 2, done.stderr
    assert message in done.stderr.strip().splitlines()[-1] and "Traceback" not in done.stderr


def agree(bundle: Path, found: Sequence[tuple[str, ...]], texts: Sequence[str]) -> None:
    """Check that a bundle gives each text the labels that Paddle found; rounding may decide at a threshold only."""
    predictor = Predictor(bundle)
    task = predictor.task
    assert isinstance(task, MultiLabelClassification)
    undecided = 0
    for text, labels, answer in zip(texts, found, predictor.predict(texts), strict=True):
        assert isinstance(answer, LabelSetAnswer)
        distances = np.abs(np.subtract(answer.probabilities, task.used_thresholds))
        # The export check lets logits differ by 1e-4, which is at most 2.5e-5 in probability.
        near = {label for label, distance in zip(task.labels, distances, strict=True) if distance < 2.5e-5}
        assert set(answer.labels) ^ set(labels) <= near, text
        undecided += len(near)
    assert undecided <= len(texts) * len(task.labels) // 100


@pytest.fixture(scope="module")
def place(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory where train.py has run with the guide's command, long enough to tell labels apart; read only."""
    where = tmp_path_factory.mktemp("multi_label")
    done = call(
        root,
        where,
        "train.py",
        "--dataset_dir",
        "data",
        "--tune_thresholds",
        *FEW,
        "--max_steps",
        "400",
        "--save_steps",
        "100",
    )
    assert done.returncode == 0, done.stderr
    assert "generated sample was written there" in done.stderr and "say nothing about other data" in done.stderr
    return where


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_needs_no_paddle(root: Path, script: str) -> None:
    code = (
        f"import runpy, sys; sys.argv = ['{script}', '--help']; sys.path[0] = 'multi_label'\n"
        f"try: runpy.run_path('multi_label/{script}', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'paddle', 'paddlenlp', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)


def test_train_has_the_guides_arguments_and_defaults(root: Path) -> None:
    text = " ".join(call(root, root, "train.py", "--help").stdout.split())
    for flag, default in (
        ("save_dir", "./checkpoint"),
        ("max_seq_length", "128"),
        ("batch_size", "32"),
        ("learning_rate", "3e-05"),
        ("epochs", "10.0"),
        ("early_stop", "False"),
        ("early_stop_nums", "4"),
        ("logging_steps", "5"),
        ("weight_decay", "0.0"),
        ("warmup", "False"),
        ("warmup_steps", "0"),
        ("seed", "3"),
        ("train_file", "train.txt"),
        ("dev_file", "dev.txt"),
        ("label_file", "label.txt"),
    ):
        own = text.rpartition(f" --{flag} ")[2]
        assert own.partition(" --")[0].rstrip().endswith(f"(default: {default})"), flag
    for flag in ("--device", "--dataset_dir", "--model_name", "--init_from_ckpt"):
        assert flag in text


def test_what_training_saves(place: Path) -> None:
    checkpoint = place / "checkpoint"
    found = {path.name for path in checkpoint.iterdir()}
    assert found >= {
        "config.json",
        "model_state.pdparams",
        "vocab.txt",
        "tokenizer_config.json",
        "label.txt",
        "metrics.json",
        "training_curve.png",
    }
    assert "checkpoints" not in found
    labels = read_label_list(checkpoint / "label.txt")
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    record = json.loads((checkpoint / "metrics.json").read_text(encoding="utf-8"))
    assert len(config["thresholds"]) == len(labels) == 10
    assert list(record["thresholds"].values()) == config["thresholds"] and list(record["thresholds"]) == list(labels)
    assert record["data_source"] == "sample" and record["warnings"]
    assert record["training"]["steps"] == 400 and record["training"]["chosen_by"] == "macro_f1"
    assert {"micro_f1", "macro_f1", "accuracy", f"{labels[0]}/f1"} <= set(record["metrics"])


def test_export_and_prediction_agree(root: Path, place: Path, tmp_path: Path) -> None:
    target = tmp_path / "export"
    done = call(root, place, "export_model.py", "--output_path", str(target))
    assert done.returncode == 0, done.stderr
    assert {"bundle.json", "model.onnx", "float32.pdmodel", "float32.pdiparams"} <= {p.name for p in target.iterdir()}
    done = call(root, place, "predict.py", "--dataset_dir", "data", "--output_file", str(tmp_path / "out.txt"))
    assert done.returncode == 0, done.stderr
    rows = [split_line(line, "out") for line in (tmp_path / "out.txt").read_text(encoding="utf-8").splitlines()]
    texts = (place / "data/data.txt").read_text(encoding="utf-8").splitlines()
    assert [text for text, _ in rows] == texts
    agree(target, [labels for _, labels in rows], texts)
    assert len({labels for _, labels in rows}) > 1
    again = call(root, place, "predict.py", "--threshold", "0", "--output_file", str(tmp_path / "all.txt"))
    assert again.returncode == 0 and f"({0} without a label)" in again.stdout
    assert all(line.count(",") == 9 for line in (tmp_path / "all.txt").read_text(encoding="utf-8").splitlines())


def in_other_bytes(source: Path, target: Path, names: Sequence[str]) -> Path:
    """Write some files of a data directory again, as GB18030."""
    target.mkdir()
    for name in names:
        (target / name).write_text((source / name).read_text(encoding="utf-8"), encoding="gb18030")
    return target


def test_a_directory_in_another_encoding_is_predicted(root: Path, place: Path, tmp_path: Path) -> None:
    other = in_other_bytes(place / "data", tmp_path / "data", ("label.txt", "data.txt"))
    found = []
    for data, encoding in ((place / "data", "utf-8"), (other, "auto"), (other, "gb18030")):
        target = tmp_path / f"{encoding}.txt"
        given = ("--dataset_dir", str(data), "--encoding", encoding, "--output_file", str(target))
        done = call(root, place, "predict.py", *given)
        assert done.returncode == 0, done.stderr
        found.append(target.read_text(encoding="utf-8"))
    assert found[0] == found[1] == found[2] and "\t" in found[0]
    refused(call(root, place, "predict.py", "--dataset_dir", str(other)), "label.txt:1: byte 1 of the line")


def test_training_goes_on_from_weights(root: Path, place: Path, tmp_path: Path) -> None:
    weights = place / "checkpoint/model_state.pdparams"
    # Steps too small to change anything: what is evaluated are the weights that were given.
    arguments = ("--dataset_dir", "data", "--save_dir", str(tmp_path / "second"), *FEW, "--learning_rate", "1e-9")
    done = call(root, place, "train.py", "--init_from_ckpt", str(weights), *arguments)
    assert done.returncode == 0, done.stderr
    first, second = (
        json.loads((path / "metrics.json").read_text(encoding="utf-8"))
        for path in (place / "checkpoint", tmp_path / "second")
    )
    assert second["metrics"]["loss"] == pytest.approx(first["metrics"]["loss"], rel=1e-3)
    dev = list(read_label_sets(place / "data/dev.txt", read_label_list(place / "checkpoint/label.txt")))
    task = MultiLabelClassification(read_label_list(place / "checkpoint/label.txt"), 48)
    shares = task.gold(dev).mean(axis=0)
    always_the_same = -(shares * np.log(shares) + (1 - shares) * np.log(1 - shares)).mean()
    assert first["metrics"]["loss"] < 0.8 * always_the_same
    assert json.loads((tmp_path / "second/config.json").read_text(encoding="utf-8")).get("thresholds") is None


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("train.py", ("--dataset_dir", "date"), "date: no such data directory"),
        ("train.py", ("--epochs", "0"), "--epochs is 0"),
        ("train.py", ("--batch_size", "0"), "--batch_size is 0"),
        ("train.py", ("--dataset_dir", "nowhere/data", "--model_name", "../checkpoint"), "no such data directory"),
        ("train.py", ("--metric_for_best_model", "f1"), "this task is measured by macro_f1, micro_f1"),
        ("train.py", ("--warmup_steps", "5", "--warmup_ratio", "0.1"), "say the same"),
        ("train.py", ("--init_from_ckpt", "none.pdparams"), "none.pdparams: no such weights file"),
        ("predict.py", ("--params_path", "none"), "none: no such model directory"),
        ("predict.py", ("--threshold", "2"), "--threshold is 2.0: it must lie between 0 and 1"),
        ("predict.py", ("--data_file", "train.txt"), "train.txt:1: a tab in a text"),
        ("predict.py", ("--label_file", "none.txt"), "none.txt: no such file"),
        ("predict.py", ("--output_file", "data/data.txt"), "--output_file and --data_file are the same file"),
        ("predict.py", ("--output_file", "data"), "it is a folder"),
        ("predict.py", ("--batch_size", "0"), "--batch_size is 0"),
        ("export_model.py", ("--output_path", "checkpoint"), "is where the model is"),
        ("export_model.py", ("--output_path", "."), "is where the model is"),
        ("prune.py", ("--dataset_dir", "nowhere/data"), "no such data directory"),
        ("export_model.py", ("--output_path", "data"), "--output_path data is there and is no bundle"),
        ("prune.py", ("--width_mult", "0"), "width"),
        ("prune.py", ("--width_mult", "2/3", "2/3"), "each of them once"),
        ("prune.py", ("--depth_mult", "deep"), "depth 'deep' is neither a fraction nor a decimal"),
        ("prune.py", ("--width_mult", "1"), "the full model is in every report"),
        ("prune.py", ("--strategy", "ptq"), "pruning is dynabert"),
        ("doccano.py", ("--doccano_file", "none.jsonl", "--save_dir", "own"), "none.jsonl: no such file"),
        ("doccano.py", ("--to_doccano", "data/train.txt", "--splits", "1", "0", "0"), "--splits is for the way from"),
        ("doccano.py", ("--to_doccano", "data/train.txt"), "writes --doccano_file: give it a name"),
        ("doccano.py", ("--to_doccano", "data/dev.txt", "--doccano_file", "data/dev.txt"), "are the same file"),
        ("doccano.py", ("--doccano_file", "x.jsonl", "--save_dir", "data"), "data/train.txt is there"),
    ],
)
def test_what_is_refused(root: Path, place: Path, script: str, arguments: tuple[str, ...], message: str) -> None:
    refused(call(root, place, script, *arguments), message)


def test_the_guides_data_directory_is_never_overwritten(root: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    refused(call(root, tmp_path, "train.py", "--dataset_dir", "data"), "data/label.txt: no such file")
    assert not list((tmp_path / "data").iterdir())


def test_doccano_there_and_back(root: Path, tmp_path: Path) -> None:
    write_sample_directory(tmp_path / "data")
    done = call(root, tmp_path, "doccano.py", "--to_doccano", "data/dev.txt", "--doccano_file", "all.jsonl")
    assert done.returncode == 0 and "all.jsonl: 300 rows" in done.stdout
    arguments = ("--doccano_file", "all.jsonl", "--save_dir", "own", "--unlabelled", "negative")
    done = call(root, tmp_path, "doccano.py", *arguments, "--splits", "0.8", "0.1", "0.1", "--seed", "1")
    assert done.returncode == 0 and "own: train 240, dev 30, test 30, 10 labels" in done.stdout
    rows = [split_line(line, "test") for line in (tmp_path / "own/test.txt").read_text(encoding="utf-8").splitlines()]
    assert (tmp_path / "own/data.txt").read_text(encoding="utf-8").splitlines() == [text for text, _ in rows]
    done = call(root, tmp_path, "doccano.py", *arguments, "--overwrite", "--splits", "0.8", "0.2", "0")
    assert done.returncode == 0 and not (tmp_path / "own/test.txt").exists()
    lines = sorted(
        line
        for name in ("train", "dev")
        for line in (tmp_path / f"own/{name}.txt").read_text(encoding="utf-8").splitlines()
    )
    assert lines == sorted((tmp_path / "data/dev.txt").read_text(encoding="utf-8").splitlines())


DOCCANO_ROWS = [
    {"text": "猫粮到了", "label": ["宠物##猫"]},
    {"text": "狗窝很大", "label": ["宠物##狗", "家居"]},
    {"text": "灯不亮", "label": "家居"},
    {"text": "还没看", "label": []},
]


def test_the_guides_flags_of_doccano(root: Path, tmp_path: Path) -> None:
    (tmp_path / "doccano.jsonl").write_text("".join(json.dumps(row) + "\n" for row in DOCCANO_ROWS), encoding="utf-8")
    (tmp_path / "one.json").write_text(json.dumps(DOCCANO_ROWS[::2]), encoding="utf-8")

    def convert(*arguments: str) -> tuple[str, str]:
        done = call(root, tmp_path, "doccano.py", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    def lines(name: str) -> list[str]:
        return (tmp_path / name).read_text(encoding="utf-8").splitlines()

    arguments = ("--doccano_file", "doccano.jsonl", "--is_shuffle", "False")
    out, warned = convert(*arguments, "--save_dir", "a", "--splits", "0.67", "0.33", "--task_type", "multi_label")
    assert lines("a/train.txt") == ["猫粮到了\t宠物##猫", "狗窝很大\t宠物##狗,家居"]
    assert lines("a/dev.txt") == ["灯不亮\t家居"] and lines("a/data.txt") == ["灯不亮"]
    assert "JSON lines, text in 'text', labels in 'label', 3 rows" in out
    assert "1 row(s) without a label left out (--unlabelled negative keeps them as rows of no label): 4" in warned
    convert(*arguments, "--save_dir", "b", "--splits", "1", "--task_type", "hierarchical", "--separator", "##")
    assert lines("b/label.txt") == ["宠物", "宠物##狗", "宠物##猫", "家居"] and not (tmp_path / "b/dev.txt").exists()
    assert lines("b/train.txt")[1] == "狗窝很大\t宠物,宠物##狗,家居"
    out, _ = convert(
        "--doccano_file", "one.json", "--save_dir", "c", "--splits", "0.5", "0.5", "--task_type", "multi_class"
    )
    assert "to train: python run_seq_cls.py --dataset custom --train_file c/train.txt" in out
    convert(*arguments, "--save_dir", "a", "--valid", "--splits", "1")
    assert len(lines("a/valid.txt")) == 3 and len(lines("a/train.txt")) == 2
    convert(*arguments, "--save_dir", "a", "--dirty")
    assert len(lines("a/train_dirty.txt")) == 3
    _, warned = convert(*arguments, "--save_dir", "d", "--splits", "1", "--separator", "/")
    assert "--separator is for --task_type hierarchical: it has no part in multi_label" in warned
    for more, message in (
        (("--task_type", "multi_class"), "doccano.jsonl:2: 2 labels (宠物##狗, 家居): use --task_type multi_label"),
        (("--task_type", "multi_class", "--unlabelled", "negative"), "leave it out with multi_class"),
        (("--task_type", "hierarchical", "--separator", ""), "--separator is empty"),
        (("--valid", "--dirty"), "give one of them"),
        (("--dirty", "--splits", "0.5", "0.5"), "give --splits 1"),
        (("--save_dir", "a", "--valid"), "a/valid.txt is there"),
    ):
        refused(call(root, tmp_path, "doccano.py", "--save_dir", "e", *arguments, *more), message)


def test_pruned_models_are_laid_out_as_the_guide_lists_them(root: Path, place: Path, tmp_path: Path) -> None:
    sizes = ("--width_mult", "2/3", "1/2", "--depth_mult", "1", "1/2")
    arguments = ("--output_dir", str(tmp_path / "prune"), *sizes, "--prune_vocab", *FEW)
    done = call(root, place, "prune.py", *arguments)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "prune/compress_report.json").read_text(encoding="utf-8"))
    texts = (place / "data/data.txt").read_text(encoding="utf-8").splitlines()[:20]
    deep = [f"{width}_vocab" for width in ("0.6666666666666666", "0.5")]
    flat = [f"{width}_depth_mult_0.5_vocab" for width in ("0.6666666666666666", "0.5")]
    for name, item in zip((*deep, *flat), report["candidates"], strict=True):
        directory = tmp_path / "prune" / name
        assert item["file"] == f"{name}/model.onnx" and (tmp_path / "prune" / item["file"]).is_file()
        assert (directory / "float32.pdmodel").is_file() and (directory / "model_state.pdparams").is_file()
        predicted = call(
            root, place, "predict.py", "--params_path", str(directory), "--output_file", str(tmp_path / "out.txt")
        )
        assert predicted.returncode == 0, predicted.stderr
        lines = (tmp_path / "out.txt").read_text(encoding="utf-8").splitlines()[:20]
        agree(directory, [split_line(line, "out")[1] for line in lines], texts)
    assert not list((tmp_path / "prune").glob("width_mult_0*")) and not (tmp_path / "prune/unfinished").exists()
    # Asked to go on, the finished run gives its report, and writes nothing but what somebody has deleted.
    lacking = tmp_path / "prune/0.5_vocab/float32.pdiparams"
    lacking.unlink()
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "prune").rglob("*") if path.is_file()}
    again = call(root, place, "prune.py", *arguments, "--resume")
    assert again.returncode == 0, again.stderr
    assert "the run has ended before" in again.stdout
    assert again.stdout.splitlines()[-6:] == done.stdout.splitlines()[-6:]
    assert all(path.stat().st_mtime_ns == time for path, time in written.items() if lacking.parent != path.parent)
    assert lacking.is_file() and lacking.with_suffix(".pdmodel").is_file()


def test_two_processes_train_as_one_with_nothing_at_hand(root: Path, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2", "--log_dir", "log"]
    script = [str(root / "multi_label/train.py"), "--device", "cpu", "--dataset_dir", "data", *FEW]
    done = subprocess.run([*launch, *script], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "checkpoint/metrics.json").read_text(encoding="utf-8"))
    assert record["training"]["steps"] == 8 and record["data_source"] == "sample"
