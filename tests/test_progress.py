"""Progress on a terminal, in a file, and where nobody wants it."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_toolkit.progress import LINE_SECONDS, Progress, duration

STEPS = """
import time
from ernie_toolkit.progress import Progress
with Progress("train", 30, "steps", done=10) as progress:
    for step in range(20):
        time.sleep(0.05)
        progress.add()
        if step == 10:
            progress.write("step 21: loss 0.5")
print("done")
"""


def on_a_terminal(program: str) -> str:
    """What a program shows on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", program], stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux: the last writer is gone
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait() == 0
    return shown.decode("utf-8")


def test_a_terminal_gets_a_bar_that_goes_away() -> None:
    shown = on_a_terminal(STEPS)
    assert "train:  33%" in shown and "/30" in shown and "steps/s" in shown
    assert "step 21: loss 0.5" in shown
    # What stays is what a terminal shows when every carriage return has gone back to the line's start.
    lines = [line.rsplit("\r", 1)[-1].strip() for line in shown.replace("\r\n", "\n").split("\n")]
    assert [line for line in lines if line] == ["step 21: loss 0.5", "done"]


def test_a_file_gets_whole_lines_and_a_short_step_none() -> None:
    result = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    assert result.stdout == "step 21: loss 0.5\ndone\n" and result.stderr == ""


def test_a_long_step_gets_a_line_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress("dev", 1000) as progress:
        for _ in range(100):
            now[0] += LINE_SECONDS / 4
            progress.add(10)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 25
    assert lines[0] == "dev: 40 of 1,000 rows, 4.0 rows/s, 4 min 00 s left"
    assert lines[-1] == "dev: 1,000 of 1,000 rows, 4.0 rows/s, 0 s left"


def test_an_unknown_end_has_no_time_left(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress("corpus", None) as progress:
        now[0] = 20.0
        assert list(progress.over([1, 2])) == [1, 2]
    assert capsys.readouterr().err == "corpus: 1 rows, 0.1 rows/s\n"


def test_nobody_wants_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress("dev", 10, shown=False) as progress:
        now[0] = 100.0
        progress.add(10)
        progress.write("a line of the step's own")
    assert capsys.readouterr() == ("a line of the step's own\n", "")


@given(st.integers(0, 10**6))
def test_durations_read_back(seconds: int) -> None:
    numbers = [int(part) for part in duration(seconds).split() if part.isdigit()]
    units = duration(seconds).split()[1::2]
    back = sum(number * {"s": 1, "min": 60, "h": 3600}[unit] for number, unit in zip(numbers, units, strict=True))
    assert 0 <= seconds - back < (60 if seconds >= 3600 else 1)
