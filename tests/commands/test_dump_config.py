"""--dump_config prints a file that --config reads back to the same settings."""

from pathlib import Path

import pytest

from ernie_toolkit.commands.compression import compress_arguments
from ernie_toolkit.commands.fine_tuning import run_arguments
from ernie_toolkit.tasks import TASKS

GIVEN = ("--learning_rate", "3e-6", "--num_train_epochs", "1.5", "--seed", "7", "--metric_for_best_model", "loss")
DATASETS = {"seq_cls": "tnews", "token_cls": "msra_ner", "qa": "cmrc2018", "multiple_choice": "chid"}


@pytest.mark.parametrize("task", [name for name, task in TASKS.items() if task.script.startswith("run_")])
def test_a_run_reads_its_settings_back(task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [*GIVEN, "--output_dir", "一个 目录", "--do_train"]
    with pytest.raises(SystemExit) as ended:
        run_arguments(task, DATASETS[task], None, [*given, "--dump_config"])
    assert ended.value.code == 0
    path = tmp_path / "mine.yml"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    assert "一个 目录" in path.read_text(encoding="utf-8") and "fp16" in path.read_text(encoding="utf-8")
    want = run_arguments(task, DATASETS[task], None, given).settings
    found = run_arguments(task, DATASETS[task], None, ["--config", str(path)]).settings
    assert found | {"config": ""} == want | {"config": ""}
    assert want["learning_rate"] == 3e-6 and want["output_dir"] == "一个 目录"


def test_compression_reads_its_settings_back(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--model_name_or_path", str(model_dir), "--output_dir", str(tmp_path / "small")]
    given = [*GIVEN, "--width_mult_list", "3/4", "1/2", "--keep_fp32", "auto", "--fp16", "--strategy", "ptq"]
    with pytest.raises(SystemExit) as ended:
        compress_arguments("seq_cls", "afqmc", None, [*model, *given, "--dump_config"])
    assert ended.value.code == 0
    path = tmp_path / "mine.yml"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    want = compress_arguments("seq_cls", "afqmc", None, [*model, *given]).settings
    found = compress_arguments("seq_cls", "afqmc", None, [*model, "--config", str(path)]).settings
    assert found | {"config": ""} == want | {"config": ""}
    assert want["width_mult_list"] == ("3/4", "1/2") and want["fp16"] is True
