"""No script dies of printing: on consoles that cannot show a text, and where nobody reads on."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny import ROOT

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.console import OneLineParser, prepare_console

FOLDERS = ("", "scripts", "benchmarks", "clue", "multi_label", "deploy", "ernie_toolkit")
SCRIPTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in FOLDERS
    for path in (ROOT / folder).glob("*.py" if not folder else "**/*.py")
    if 'if __name__ == "__main__"' in path.read_text(encoding="utf-8")
)
# Run by another script alone, with arguments that are no flags.
INNER = ("ernie_toolkit/export/legacy.py",)
# Run by another script alone, in a Python that has not this toolkit; prints nothing.
OUTSIDE = ("benchmarks/training_speed_torch.py", "benchmarks/huggingface_torch.py")
ENCODINGS = ("ascii", "gbk", "cp936", "latin-1:strict", "utf-8:strict", "utf-16")
HELP = """
import runpy, sys
sys.argv = [sys.argv[1], "--help"]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
assert sys.stdout.encoding == "ascii" and sys.stdout.errors == "backslashreplace", sys.stdout
assert type(getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)).__name__ == "_Outlet", sys.stdout.buffer
"""


def environment(encoding: str | None = None) -> dict[str, str]:
    """This process's, with a console of an encoding; None: the C locale, as Python itself would not leave it."""
    given = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONIOENCODING", "PYTHONUTF8", "LANG")
    }
    if encoding is None:
        return {**given, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    return {**given, "PYTHONIOENCODING": encoding}


def test_the_walk_finds_the_scripts() -> None:
    assert len(SCRIPTS) > 45 and {"run_qa.py", "deploy/python/qa_infer.py", "ernie_toolkit/export/__main__.py"} < set(
        SCRIPTS
    )


@pytest.mark.parametrize("script", [script for script in SCRIPTS if script not in (*INNER, *OUTSIDE)])
def test_every_script_goes_through_the_one_place(script: str) -> None:
    """Its help is printed on an ASCII console, and the console is as `prepare_console` leaves it."""
    command = [sys.executable, "-c", HELP, str(ROOT / script)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment("ascii"), check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: " in done.stdout and done.stdout.isascii()


@pytest.mark.parametrize("script", INNER)
def test_scripts_of_scripts_prepare_the_console_themselves(script: str) -> None:
    main = (ROOT / script).read_text(encoding="utf-8").split('if __name__ == "__main__":')[1]
    assert main.strip().startswith("prepare_console()")


@pytest.fixture
def infer_cpu(bundle: Bundle) -> list[str]:
    script = ROOT / "deploy" / "predictor" / "infer_cpu.py"
    return [sys.executable, str(script), "--model_path", str(bundle.directory)]


@pytest.mark.parametrize("encoding", [*ENCODINGS, None])
def test_answers_behind_a_text_that_cannot_be_shown(infer_cpu: list[str], tmp_path: Path, encoding: str | None) -> None:
    (tmp_path / "in.tsv").write_text(
        "好吃\U0001f600\t不好吃\nà la carte\té\n\U00020bb7野家\t丙\nplain\tb\n", encoding="utf-8"
    )
    command = [*infer_cpu, "--input_file", "in.tsv"]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment(encoding), check=False)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    shown = done.stdout.decode((encoding or "ascii").partition(":")[0])
    assert shown.count("label: ") == 4 and "input: plain | b" in shown
    if encoding in ("ascii", None):
        assert "input: \\u597d\\u5403\\U0001f600" in shown
    if encoding == "gbk":
        assert "input: 好吃\\U0001f600 | 不好吃" in shown


def test_a_pipe_that_is_closed(infer_cpu: list[str], tmp_path: Path) -> None:
    """As `| head -1`: no traceback, no other exit code, and the file is whole."""
    (tmp_path / "in.tsv").write_text("".join(f"问题{n}\t{'答' * 60}\n" for n in range(2000)), encoding="utf-8")
    for more in ((), ("--output_file", "out.jsonl")):
        command = [*infer_cpu, "--input_file", "in.tsv", *more]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
        assert process.stdout is not None and process.stderr is not None
        if not more:
            assert process.stdout.readline()  # then there is more to come than a pipe holds
        process.stdout.close()
        errors = process.stderr.read().decode()
        process.stderr.close()
        assert process.wait() == 0 and "Traceback" not in errors and "Broken" not in errors, errors
    assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 2000


def test_a_training_run_that_nobody_can_read_is_finished(tmp_path: Path) -> None:
    rows = [f"{word}{n}\t{label}" for n in range(8) for word, label in (("汤头鲜美", "好评"), ("包装破损", "差评"))]
    for name in ("train.tsv", "dev.tsv"):
        (tmp_path / name).write_text("\n".join(rows), encoding="utf-8")
    command = [
        sys.executable,
        str(ROOT / "run_seq_cls.py"),
        "--dataset",
        "custom",
        "--train_file",
        str(tmp_path / "train.tsv"),
        "--dev_file",
        str(tmp_path / "dev.tsv"),
        "--model_name_or_path",
        "ernie-sample-nano",
        "--max_steps",
        "2",
        "--max_seq_length",
        "16",
        "--output_dir",
        str(tmp_path / "模型\U0001f600"),
        "--device",
        "cpu",
        "--do_train",
        "--report_to",
        "none",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment("latin-1:strict")
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read().decode("latin-1")
    process.stderr.close()
    assert process.wait() == 0, errors
    directory = tmp_path / "模型\U0001f600" / "custom"
    assert json.loads((directory / "metrics.json").read_text(encoding="utf-8"))["training"]["steps"] == 2
    assert not list(directory.glob("checkpoint*"))


def test_streams_of_others_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = io.StringIO()
    monkeypatch.setattr(sys, "stdout", theirs)
    prepare_console()
    OneLineParser(prog="x").parse_args([])
    assert sys.stdout is theirs


def test_preparing_twice_is_preparing_once() -> None:
    code = (
        "import sys; from ernie_toolkit.console import prepare_console\n"
        "print('a'); prepare_console(); first = sys.stdout; print('é\\u4e2d\\ud800'); prepare_console()\n"
        "assert sys.stdout is first and sys.stdout.encoding == 'iso8859-1'; print('b', file=sys.stderr); print('c')"
    )
    for options in ((), ("-u",)):
        done = subprocess.run(
            [sys.executable, *options, "-c", code], capture_output=True, env=environment("latin-1"), check=True
        )
        assert done.stdout == b"a\n\xe9\\u4e2d\\ud800\nc\n" and done.stderr == b"b\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_disk_that_is_full(infer_cpu: list[str], tmp_path: Path) -> None:
    """No traceback, the file is whole, and the exit code says that what was printed is not."""
    (tmp_path / "in.tsv").write_text("问\t答\n" * 400, encoding="utf-8")
    for more, lost in (((), "stdout"), (("--output_file", "out.jsonl"), "stdout"), ((), "stderr")):
        with Path("/dev/full").open("w") as full:
            streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, lost: full}
            command = [*infer_cpu, "--input_file", "in.tsv", *more]
            done = subprocess.run(command, cwd=tmp_path, text=True, check=False, **streams)
        if lost == "stderr":
            assert done.returncode == 0 and done.stdout.count("label: ") == 400
        else:
            last = done.stderr.splitlines()[-1]
            assert done.returncode == 2 and "Traceback" not in done.stderr and "No space left on device" in last
    assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 400


def test_streams_that_are_closed(tmp_path: Path) -> None:
    """`>&- 2>&-`: scripts print to nobody, and no file that is opened gets the number of such a stream."""
    code = (
        "import os, sys; from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error\n"
        "from ernie_toolkit.errors import DataError\n"
        "OneLineParser(prog='x').parse_args([])\n"
        "with exit_on_toolkit_error('x'), open('kept.txt', 'w') as kept:\n"
        "    print('a', flush=True); sys.stderr.write('b'); os.write(1, b'c'); os.write(2, b'd')\n"
        "    kept.write(f'{kept.fileno() > 2}'); kept.flush(); raise DataError('e')"
    )
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        command = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code]
        done = subprocess.run(command, capture_output=True, cwd=tmp_path, check=False)
        assert done.returncode == 2 and (tmp_path / "kept.txt").read_text(encoding="utf-8") == "True"


def test_texts_of_the_command_line_in_the_c_locale(infer_cpu: list[str]) -> None:
    """Their bytes are UTF-8, though nothing says so."""
    command = [*infer_cpu, "--text", "面条很香", "--text_pair", "汤太咸了"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(None), check=False)
    shown = r"input: \u9762\u6761\u5f88\u9999 | \u6c64\u592a\u54b8\u4e86"
    assert done.returncode == 0 and shown in done.stdout, done.stderr
    command[command.index("汤太咸了")] = b"\xff\xfe"  # type: ignore[call-overload]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(None), check=False)
    assert done.returncode == 2 and "half of a surrogate pair" in done.stderr
