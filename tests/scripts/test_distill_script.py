"""distill.py as a user runs it: refused before data is read, and from a fine-tuned teacher to a compressed student."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ernie_toolkit.console import with_flags
from ernie_toolkit.inference import Predictor

FEW = (
    *("--max_steps", "4", "--save_steps", "2", "--max_dev_samples", "24", "--max_train_samples", "64"),
    *("--disable_tqdm", "--report_to", "none", "--device", "cpu"),
)
SETS = {"seq_cls": "tnews", "token_cls": "msra_ner"}


def call(root: Path, where: Path, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / script), *arguments]
    surroundings = {**os.environ, **environment}
    return subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=600, env=surroundings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--students", "huge"), "--students huge: no such student"),
        (("--students", "layers=4,wings=2"), "'wings=2' is not understood"),
        (("--students", "nano", "nano"), "--students: give one at least, and each of them once"),
        (("--students", "layers=2,hidden=30,heads=4"), "hidden 30 is not a multiple of 4 heads"),
        (("--students", "width=1/9"), "width 1/9 leaves 0 of 4 heads"),
        (("--students", "mini", "--assistant", "nano"), "--assistant nano (4 layers x 312"),
        (("--students", "./nowhere"), "nowhere: no such model directory"),
        (("--stage", "general"), "give --unlabeled_file"),
        (("--relation_layer", "7"), "--relation_layer 7: the teacher has 2 layers"),
        (("--dataset", "tnews"), "was trained for other labels than tnews's"),
        (("--dataset", "msra_ner"), "msra_ner"),
        (("--teacher", "nowhere"), "--teacher nowhere: no model directory there: python run_seq_cls.py"),
        (("--relation_heads", "5"), "--relation_heads 5 does not divide the widths"),
        (("--doc_stride", "8"), "--doc_stride is for the task 'qa', the teacher's is 'seq_cls'"),
        (("--fp16",), "not with float16"),
        (("--unlabeled_file", "missing.txt"), "missing.txt: no such file"),
    ],
)
def test_mistakes_are_one_line(
    root: Path, model_dir: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    given = ("--teacher", str(model_dir), "--dataset", "afqmc", "--data_source", "sample", "--output_dir", "out")
    done = call(root, tmp_path, "distill.py", *given, *arguments)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith(("notice:", "warning:"))]
    assert len(lines) == 1 and message in lines[0] and "`" not in with_flags(lines[0])
    read = "data: afqmc" in done.stdout
    assert read is ("missing.txt" in arguments) and not (tmp_path / "out").exists()


def test_a_teacher_needs_a_trained_head(root: Path, model_dir: Path, tmp_path: Path) -> None:
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    for path in model_dir.iterdir():
        (encoder / path.name).write_bytes(path.read_bytes())
    config = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    (encoder / "config.json").write_text(json.dumps({**config, "architectures": ["ErnieModel"]}), encoding="utf-8")
    done = call(root, tmp_path, "distill.py", "--teacher", "encoder", "--dataset", "afqmc")
    assert done.returncode == 2 and "encoder has no trained head to learn from: fine-tune it first" in done.stderr


def test_several_processes_are_refused(root: Path, model_dir: Path, tmp_path: Path) -> None:
    given = ("--teacher", str(model_dir), "--dataset", "afqmc")
    done = call(root, tmp_path, "distill.py", *given, PADDLE_TRAINERS_NUM="2")
    assert done.returncode == 2 and "distillation runs in one process" in done.stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("task", SETS)
def test_from_a_teacher_to_a_compressed_student(root: Path, tmp_path: Path, task: str) -> None:
    dataset = SETS[task]
    assert call(root, tmp_path, f"run_{task}.py", "--dataset", dataset, *FEW).returncode == 0
    students = ("layers=1,hidden=64,heads=4", "layers=1,hidden=32,heads=4", "width=1/2")
    common = ("--teacher", f"best_models/{dataset}", "--dataset", dataset)
    done = call(root, tmp_path, "distill.py", *common, "--students", *students, *FEW)
    assert done.returncode == 0, done.stderr
    place = tmp_path / "best_models" / f"{dataset}_students"
    report = json.loads((place / "distill_report.json").read_text(encoding="utf-8"))
    names = ["layers1_hidden64_heads4", "layers1_hidden32_heads4", "width_mult_0.5"]
    assert [item["name"] for item in report["candidates"]] == names
    assert report["strategy"] == "online distillation" and report["settings"]["distillation"]["every"] == 1
    assert sorted(path.name for path in place.iterdir()) == sorted(
        [*names, "teacher", "distill_report.json", "distill_report.md", "distill_report.png"]
    )
    for item in report["candidates"]:
        predictor = Predictor(place / item["name"] / "export", num_threads=1)
        assert len(predictor.predict(predictor.task.examples_for(predictor.task.text_format))) > 0
        assert f"student {item['name']}: " in done.stdout
    again = call(
        root,
        tmp_path,
        f"compress_{task}.py",
        "--model_name_or_path",
        str(place / names[0]),
        "--dataset",
        dataset,
        "--strategy",
        "ptq",
        "--method_list",
        "dynamic",
        "--engine_list",
        "onnxruntime",
        *FEW,
    )
    assert again.returncode == 0, again.stderr
    assert (place / names[0] / "width_mult_1" / "export" / "model_int8.onnx").is_file()
