"""The installed command: what it lists, which script it runs, and that a wheel holds all of it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ernie_toolkit.commands.app import COMMANDS, main, script_of, scripts_directory
from ernie_toolkit.errors import ConfigError

RUN = "from ernie_toolkit.commands.app import main; main()"


def call(*words: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; `path`: where the package is found first."""
    first = "" if path is None else f"import sys; sys.path.insert(0, {str(path)!r}); "
    command = [sys.executable, "-c", first + RUN, *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def test_help_lists_every_command(tmp_path: Path) -> None:
    done = call("--help", cwd=tmp_path)
    assert done.returncode == 0 and all(f"  {name} " in done.stdout for name in COMMANDS)
    assert call(cwd=tmp_path).stdout == done.stdout
    wrong = call("trian", cwd=tmp_path)
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1 and "trian" in wrong.stderr


def test_every_script_is_there() -> None:
    for command in COMMANDS.values():
        for script in command.scripts.values():
            assert (scripts_directory() / script).is_file()


@pytest.mark.parametrize(
    ("words", "script"),
    [
        (["train"], "run_seq_cls.py"),
        (["train", "--dataset", "msra_ner", "--max_steps", "3"], "run_token_cls.py"),
        (["train", "--dataset", "CMRC2018"], "run_qa.py"),
        (["compress", "--dataset=msra_ner"], "compress_token_cls.py"),
        (["train", "--dataset", "chid"], "run_multiple_choice.py"),
        (["compress", "--dataset", "C3"], "compress_multiple_choice.py"),
        (["train", "--dataset", "custom", "--task", "qa"], "run_qa.py"),
        (["serve", "--task", "multi_label", "--port", "0"], "multi_label/deploy/simple_serving/server.py"),
    ],
)
def test_the_task_is_that_of_the_data(words: list[str], script: str) -> None:
    found, rest = script_of(COMMANDS[words[0]], words[1:])
    assert found == script
    assert "--task" not in rest and set(words) - set(rest) <= {words[0], "--task", "qa", "multi_label"}


def test_an_unknown_task_is_named() -> None:
    with pytest.raises(ConfigError, match="--task ner: use one of seq_cls, token_cls, qa"):
        script_of(COMMANDS["train"], ["--task", "ner"])


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["completion", shell])
    script = capsys.readouterr().out
    assert "complete -o filenames -F _ernie_toolkit ernie-toolkit" in script
    if shell == "bash":
        body = script + '\nCOMP_WORDS=(ernie-toolkit comp); COMP_CWORD=1; _ernie_toolkit; echo "${COMPREPLY[@]}"'
        found = subprocess.run(["bash", "-c", body], capture_output=True, text=True, check=True).stdout.split()
        assert found == ["compress", "completion"]


@pytest.mark.slow
def test_a_wheel_has_scripts_and_settings(root: Path, tmp_path: Path) -> None:
    """Built from a copy, since a build leaves files in the tree; run from the unpacked wheel, elsewhere."""
    source, wheels, place = tmp_path / "source", tmp_path / "wheels", tmp_path / "installed"
    unwanted = shutil.ignore_patterns(".*", "tests", "*.egg-info", "__pycache__", "build", "best_models")
    shutil.copytree(root, source, ignore=unwanted)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(wheels), str(source)]
    subprocess.run(pip, check=True, capture_output=True)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(place)
    assert (place / "ernie_toolkit" / "py.typed").is_file()
    small = ("--max_steps", "2", "--device", "cpu", "--disable_tqdm", "--max_train_samples", "32")
    done = call("train", "--dataset", "afqmc", "--data_source", "sample", *small, cwd=tmp_path, path=place)
    assert done.returncode == 0, done.stderr
    assert f"config {place}" in " ".join(done.stdout.split()).replace('"', "")  # the file in the wheel was read
    bundle = tmp_path / "best_models" / "afqmc" / "export"
    (tmp_path / "texts.tsv").write_text("怎么还款\t如何还钱\n", encoding="utf-8")
    words = ("predict", "--model_path", str(bundle), "--input_file", "texts.tsv")
    done = call(*words, cwd=tmp_path, path=place)
    assert done.returncode == 0 and "怎么还款" in done.stdout, done.stderr
