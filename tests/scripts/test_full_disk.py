"""A disk that takes no more: one line, exit code 2, and everything that was there before still is.

A limit on the size of files stands for the disk: it needs no rights, and Python, Paddle and ONNX fail at it as they do
on a full disk.
"""

import shutil
from pathlib import Path

import pytest
from kill_cases import CASES, everything, tree, write_inputs
from script_server import Scripts

LIMITS = (6_000, 60_000, 600_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_full_disk_is_one_line_and_loses_nothing(name: str, scripts: Scripts, tmp_path: Path) -> None:
    case, inputs, place = CASES[name], tmp_path / "inputs", tmp_path / "place"
    place.mkdir()
    write_inputs(inputs)
    if name == "dirty":
        shutil.copytree(inputs / "data", place, dirs_exist_ok=True)
    for script, arguments in case.before:
        done = scripts.run(script, [part.format(place=place, inputs=inputs) for part in arguments], tmp_path / "log")
        assert done.returncode == 0, done.output[-3000:]
    filled = [part.format(place=place, inputs=inputs) for part in case.arguments]
    old = tree(place)
    refused = 0
    for largest in LIMITS if name not in ("doccano", "dirty") else (1000,):
        shutil.copytree(place, tmp_path / "kept")
        done = scripts.run(case.script, filled, tmp_path / "log", largest=largest)
        if done.returncode:
            refused += 1
            assert done.returncode == 2, done.output[-3000:]
            lines = [line for line in done.output.splitlines() if "error:" in line]
            assert len(lines) == 1 and "cannot be written" in lines[0] and "make room" in lines[0], done.output[-3000:]
            assert "Traceback" not in done.output
            now = tree(place)
            lost = {file for file in old if now.get(file) != old[file] and not file.startswith(case.may_go or "/")}
            assert not lost, (largest, done.output[-500:])
            assert not [left for left in everything(place) if left.endswith(".tmp")]
        shutil.rmtree(place)
        (tmp_path / "kept").rename(place)
    assert refused
