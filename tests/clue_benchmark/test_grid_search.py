"""The grid search for real: processes that are killed, nodes that are lost, data that cannot be read."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from clue_results import GRID
from tiny import ROOT, make_tiny_model

from ernie_toolkit.data.sample import write_sample
from ernie_toolkit.models import Vocabulary, save_model

SCRIPT = [sys.executable, str(ROOT / "clue" / "grid_search.py")]
SECONDS = 240.0


@pytest.fixture
def models(tmp_path: Path, vocabulary: Vocabulary) -> list[str]:
    """Directories of random models of two families."""
    for family in ("ernie", "bert"):
        tiny = make_tiny_model(vocabulary, ("0", "1"), family=family, max_position_embeddings=128)
        save_model(tiny.model, tiny.vocabulary, tmp_path / f"tiny-{family}")
    return [str(tmp_path / "tiny-ernie"), str(tmp_path / "tiny-bert")]


def command(tmp_path: Path, models: list[str], *more: str) -> list[str]:
    """The script on a grid of two data sets and two rates."""
    (tmp_path / "grid.yml").write_text(GRID, encoding="utf-8")
    place = ["--config", str(tmp_path / "grid.yml"), "--output_dir", str(tmp_path / "results")]
    return [*SCRIPT, "--models", *models, "--datasets", "afqmc", "tnews", *place, *more]


def finished(tmp_path: Path) -> dict[str, bytes]:
    """The records of the trials that have finished."""
    found = (tmp_path / "results").glob("*/*/trials/*/metrics.json")
    return {str(path.relative_to(tmp_path)): path.read_bytes() for path in found}


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Wait until something is so, while a process runs."""
    given_up = time.monotonic() + SECONDS
    while not condition():
        assert process.poll() is None and time.monotonic() < given_up
        time.sleep(0.1)


@contextmanager
def two_nodes() -> Iterator[tuple[str, Callable[[str], None]]]:
    """A cluster: its address, and what gives it a command."""
    pytest.importorskip("ray", reason="requirements-test.txt has it; grids run without it too")
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "support" / "ray_nodes.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def give(word: str) -> None:
        stdin.write(word + "\n")
        stdin.flush()
        assert stdout.readline() == "done\n"

    try:
        yield stdout.readline().strip(), give
    finally:
        stdin.close()
        process.wait()
        stdout.close()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "error: ray is not installed: pip install"),
        (("--local", "--ray_address", "auto"), "error: --local runs without Ray: leave --ray_address out"),
        (("--datasets", "glue"), "error: --datasets: 'glue' has no grid"),
        (("--models", "./nowhere"), "no such model directory"),
        (("--max_steps", "0"), "--max_steps"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, more: tuple[str, ...], said: str) -> None:
    """Without Ray: Python finds no module that is None among those that are imported."""
    script = SCRIPT[1]
    code = f"import runpy, sys; sys.modules['ray'] = None; runpy.run_path({script!r}, run_name='__main__')"
    call = [sys.executable, "-c", code, "--data_source", "sample", *command(tmp_path, ["ernie-sample-nano"], *more)[2:]]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    errors = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert done.returncode == 2 and len(errors) == 1 and said in errors[0], done.stderr


@pytest.mark.slow
def test_a_lost_node_and_a_killed_driver(tmp_path: Path, models: list[str]) -> None:
    """All trials finish once, and none that has finished is trained again."""
    with two_nodes() as (address, give):
        call = command(tmp_path, models, "--data_source", "sample", "--max_steps", "8", "--ray_address", address)
        first = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
        wait_for(lambda: len(finished(tmp_path)) >= 2, first)
        give("kill")
        wait_for(lambda: len(finished(tmp_path)) >= 4, first)
        first.send_signal(signal.SIGKILL)
        printed = first.communicate()[0]
        assert "Ray 2." in printed and "2 nodes" in printed
        before = finished(tmp_path)
        assert 4 <= len(before) < 8
        give("add")
        second = subprocess.run(call, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    assert f"{len(before)} finished before and reused" in second.stdout and "Traceback" not in second.stderr
    after = finished(tmp_path)
    assert len(after) == 8 and before == {path: after[path] for path in before}
    for cell in (tmp_path / "results").glob("tiny-*/*"):
        best = json.loads((cell / "best" / "best.json").read_text(encoding="utf-8"))
        assert (cell / "best" / "export" / "bundle.json").is_file() and (cell / "best" / best["submission"]).is_file()
        assert not list(cell.glob("trials/*/model")) and not list(cell.glob("trials/*/checkpoints"))
    assert not (tmp_path / "results" / ".ray_tune").exists()


@pytest.mark.slow
def test_a_killed_trial_is_resumed_from_its_checkpoint(tmp_path: Path, models: list[str]) -> None:
    call = command(
        tmp_path, models[:1], "--data_source", "sample", "--max_steps", "400", "--local", "--datasets", "afqmc"
    )
    first = subprocess.Popen(call, stdout=subprocess.DEVNULL, text=True)
    trials = tmp_path / "results" / "tiny-ernie" / "afqmc" / "trials"
    wait_for(lambda: bool(list(trials.glob("*/checkpoints/checkpoint-*/files.json"))), first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not finished(tmp_path)
    second = subprocess.run(call, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    assert "1 resumed from the last checkpoint, 1 new" in second.stdout
    steps = [json.loads(record)["training"]["resumed_from_step"] for record in finished(tmp_path).values()]
    assert len(steps) == 2 and max(steps) >= 100 and min(steps) == 0


@pytest.mark.slow
def test_trials_that_fail_are_said_and_the_others_go_on(tmp_path: Path, models: list[str]) -> None:
    for name in ("afqmc", "tnews"):
        write_sample(name, tmp_path / "data" / name)
    (tmp_path / "data" / "afqmc" / "train.json").write_text("no json\n", encoding="utf-8")
    call = command(tmp_path, models[:1], "--data_dir", str(tmp_path / "data"), "--max_steps", "2", "--local")
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and len(finished(tmp_path)) == 2, done.stderr
    failed = [line for line in done.stderr.splitlines() if " failed: " in line and line.startswith("warning: [")]
    assert len(failed) == 2 and all("train.json:1" in line for line in failed) and "Traceback" not in done.stderr
    assert "tiny-ernie/afqmc: no trial has finished" in done.stdout
    (tmp_path / "data" / "afqmc" / "train.json").unlink()
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no train file of 'afqmc'" in done.stderr and done.stderr.count("\n") == 1
