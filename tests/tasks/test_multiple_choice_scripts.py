"""run_multiple_choice.py and infer_cpu.py as a user runs them: what is refused, custom data, blanks."""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference.console import choice_inputs

SMALL = ("--model_name_or_path", "ernie-sample-nano", "--device", "cpu", "--disable_tqdm", "--report_to", "none")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dataset", "tnews"), "use run_seq_cls.py for it"),
        (("--dataset", "chid", "--data_source", "official"), "does not download data set 'chid': put train.json"),
        (("--metric_for_best_model", "f1"), "measured by accuracy, loss"),
        (("--dataset", "custom"), "needs --train_file"),
        (("--n_best", "3"), "unrecognized arguments: --n_best 3"),
    ],
)
def test_what_run_multiple_choice_refuses(root: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    done = subprocess.run(
        [sys.executable, str(root / "run_multiple_choice.py"), "--output_dir", str(tmp_path), *SMALL, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and message in done.stderr.splitlines()[-1], done.stderr


def test_custom_rows_from_a_file_to_answers_on_the_console(root: Path, tmp_path: Path) -> None:
    def call(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(root / script), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    rows = [
        {"context": f"我喜欢{fruit}。", "choices": ["苹果", "香蕉", "梨"][: 2 + number % 2], "answer": fruit}
        for number, fruit in enumerate(("苹果", "香蕉") * 8)
    ]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.jsonl").write_text(text, encoding="utf-8")
    files = [part for split in ("train", "dev", "test") for part in (f"--{split}_file", f"{split}.jsonl")]
    small = ("--max_seq_length", "24", "--max_steps", "4", "--per_device_train_batch_size", "4", *SMALL)
    stages = ("--do_train", "--do_predict", "--do_export")
    done = call("run_multiple_choice.py", "--dataset", "custom", *files, *small, *stages)
    assert done.returncode == 0, done.stderr
    assert "16 questions; choices: 3 (8), 2 (8)" in done.stdout
    model = tmp_path / "best_models" / "custom"
    predictions = json.loads((model / "test_results.json").read_text(encoding="utf-8"))["predictions"]
    assert [row["line"] for row in predictions] == list(range(1, 17)) and not list(model.glob("*_predict.json"))
    arguments = ("--model_path", str(model / "export"), "--task_name", "multiple_choice")
    done = call("deploy/predictor/infer_cpu.py", *arguments, "--context", "我喜欢梨。", "--choices", "苹果", "梨")
    assert done.returncode == 0 and "input: 我喜欢梨。 |  | 苹果 | 梨\nchoice: " in done.stdout, done.stderr
    for wrong, message in (
        (("--choices", "苹果", "梨"), "0 --context and 2 --choices: give a context and 2 choices at least"),
        (("--context", "甲", "--choices", "梨"), "1 --context and 1 --choices"),
        (("--context", "甲", "乙", "--question", "问", "--choices", "梨", "桃"), "1 --question and 2 --context do"),
        (("--text", "甲"), "this model chooses: give --context, --question and --choices in place of --text"),
        (("--input_file", "test.jsonl", "--choices", "梨", "桃"), "exclude each other"),
    ):
        done = call("deploy/predictor/infer_cpu.py", *arguments, *wrong)
        assert done.returncode == 2 and message in done.stderr, done.stderr


def test_blanks_on_the_console() -> None:
    def inputs(context: str, *question: str) -> list[Any]:
        args = argparse.Namespace(context=[context], question=list(question), choices=["甲", "乙"])
        return choice_inputs(args, cloze=True)

    context = "他#idiom1#地写，#idiom2#地笑。"
    assert inputs(context) == [(context, "#idiom1#", "甲", "乙"), (context, "#idiom2#", "甲", "乙")]
    assert inputs(context, "#idiom2#") == [(context, "#idiom2#", "甲", "乙")]
    with pytest.raises(ConfigError, match="--context has no blank: write it as #idiom1#"):
        inputs("他笑。")
