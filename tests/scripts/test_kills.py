"""Scripts stopped before each of their file operations: nothing unreadable, nothing lost, nothing left over.

A script runs once over what an earlier run has left, and each state of its directory on the way is kept: what a kill at
that moment would leave (see recorder.py). In every one of them all files must be the earlier run's or this one's, those
that belong together of one run. From some of them the same command is run again, and has to end as if nothing had been.
`KILL_RERUNS=all` runs it again from every state that readers can tell from another one.
"""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from kill_cases import CASES, Case, Tree, everything, tree, visible, write_inputs
from script_server import Scripts

from ernie_toolkit.bundle import BUNDLE_FILE, read_bundle
from ernie_toolkit.files.transactions import COMMITTED, finish_transaction
from ernie_toolkit.training.checkpoints import MANIFEST, last_checkpoint, missing_from

RERUNS = os.environ.get("KILL_RERUNS", "10")
# What differs between two runs of one command: times, what was measured, and whether one went on.
VOLATILE = (
    "resume",
    "seconds",
    "eval_runtime",
    "resumed_from_step",
    "latency_ms",
    "sequences_per_second",
    "speed_spread",
    "latency_ratio",
    "throughput_ratio",
    "best_tradeoff",
    "created",
    "change",
    # By speed; and the checksum of a bundle's description, which has it.
    "recommended",
    "description_sha256",
)
LINES = "_predict.json"  # JSON lines
NOT_COMPARED = (".png", ".md", "/model.json", ".onnx", ".pdiparams", ".pdmodel")


def members(group: Sequence[str], names: Sequence[str]) -> list[str]:
    """The files that a group is made of."""
    found = []
    for pattern in group:
        stem = pattern.removesuffix("*")
        found += [name for name in names if name == pattern or (stem != pattern and name.startswith(stem))]
    return found


def check_state(case: Case, state: Tree, old: Tree, new: Tree) -> None:
    """Nothing but whole files of the two runs, nothing lost, and what belongs together of one run."""
    on_the_way = [name for name in state if any(part in f"{name}/" for part in case.on_the_way)]
    for name, checksum in state.items():
        if name not in on_the_way and not name.startswith(case.grows or "/"):
            assert checksum in (old.get(name), new.get(name)), f"{name} is of neither run"
    for name in old:
        assert name in state or name not in new or name.startswith(case.may_go), f"{name} is gone"
    for group in case.groups:
        if group[0].startswith(case.grows or "/"):
            continue
        found = {name: state[name] for name in members(group, list(state))}
        runs = [{name: run[name] for name in members(group, list(run))} for run in (old, new)]
        gone = not found and group[0].startswith(case.may_go) if case.may_go else False
        assert found in runs or gone, f"{group} are of two runs: {sorted(found)}"


def check_readable(directory: Path) -> None:
    """What can be read is read: JSON files, bundles with their checksums, checkpoints."""
    for path in visible(directory, "*.json"):
        if not path.name.endswith(LINES):
            json.loads(path.read_text(encoding="utf-8"))
    for path in visible(directory, BUNDLE_FILE):
        read_bundle(path.parent, verify=True)
    for path in visible(directory, "checkpoints"):
        last = last_checkpoint(path)
        assert last is None or ((last / MANIFEST).is_file() and not missing_from(last))


def comparable(directory: Path) -> dict[str, Any]:
    """What two runs of one command have in common."""
    found: dict[str, Any] = {}
    for name, checksum in tree(directory).items():
        if name.endswith(NOT_COMPARED):
            found[name] = None
        elif name.endswith(".json") and not name.endswith(LINES):
            found[name] = without(json.loads((directory / name).read_text(encoding="utf-8")))
        else:
            found[name] = checksum
    return found


def without(value: Any) -> Any:
    """A JSON value without what differs between two runs."""
    if isinstance(value, dict):
        if set(value) == {"name", "size", "sha256"}:  # a file of a bundle
            return value["name"]
        return {key: without(item) for key, item in value.items() if key not in VOLATILE}
    return [without(item) for item in value] if isinstance(value, list) else value


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_stopped_anywhere(name: str, scripts: Scripts, tmp_path: Path) -> None:
    case, inputs, place, copies = CASES[name], tmp_path / "inputs", tmp_path / "place", tmp_path / "copies"
    place.mkdir()
    write_inputs(inputs)
    if name == "dirty":
        shutil.copytree(inputs / "data", place, dirs_exist_ok=True)

    def run(script: str, arguments: Sequence[str], **recording: Path) -> None:
        filled = [part.format(place=place, inputs=inputs) for part in arguments]
        done = scripts.run(script, filled, tmp_path / "log", **recording)
        assert done.returncode == 0, done.output[-3000:]

    for script, arguments in case.before:
        run(script, arguments)
    old = tree(place)
    run(case.script, case.arguments, watched=place, copies=copies)
    new, expected, names = tree(place), comparable(place), everything(place)
    assert new != old
    states = sorted(copies.iterdir())
    kinds: dict[str, Path] = {}
    for copy in states:
        shutil.rmtree(place)
        shutil.copytree(copy, place)
        kinds[repr(tree(place))] = copy
        for committed in sorted(place.rglob(COMMITTED)):
            assert finish_transaction(committed.parent)
        check_state(case, tree(place), old, new)
        check_readable(place)
    chosen = list(kinds.values())
    if RERUNS != "all":
        step = max(1, -(-len(chosen) // int(RERUNS)))
        chosen = chosen[step // 2 :: step]
    for copy in chosen:
        shutil.rmtree(place)
        shutil.copytree(copy, place)
        run(case.script, (*case.arguments, *case.rerun))
        assert everything(place) == names, copy.name
        got = comparable(place)
        differing = {file: (value, expected[file]) for file, value in got.items() if value != expected[file]}
        assert not differing, copy.name
    print(f"{name}: {len(states)} states of {len(kinds)} kinds, run again from {len(chosen)}")
