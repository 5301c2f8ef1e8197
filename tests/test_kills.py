"""Scripts stopped before each of their file operations: nothing unreadable, nothing lost, nothing left over.

A script runs once over what an earlier run has left, and each state of its directory on the way is kept: what a kill at
that moment would leave (see recorder.py). In every one of them all files must be the earlier run's or this one's, those
that belong together of one run. From some of them the same command is run again, and has to end as if nothing had been.
`KILL_RERUNS=all` runs it again from every state that readers can tell from another one.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from script_server import Scripts

from ernie_toolkit.bundle import BUNDLE_FILE, read_bundle
from ernie_toolkit.data.label_sets import (
    FILES,
    read_label_list,
    read_label_sets,
    write_label_sets,
    write_sample_directory,
)
from ernie_toolkit.training.checkpoints import MANIFEST, last_checkpoint, missing_from
from ernie_toolkit.transactions import COMMITTED, finish_transaction

Tree = dict[str, str]
RERUNS = os.environ.get("KILL_RERUNS", "10")
TRAINING = (
    "--max_steps", "4", "--save_steps", "2", "--per_device_train_batch_size", "8", "--max_seq_length", "32",
    "--report_to", "none", "--disable_tqdm", "true", "--device", "cpu",
)  # fmt: skip
# What differs between two runs of one command: times, what was measured, and whether one went on.
VOLATILE = ("resume", "seconds", "eval_runtime", "resumed_from_step", "latency_ms", "sequences_per_second",
            "speed_spread",
            "latency_ratio", "throughput_ratio", "best_tradeoff", "created", "change")  # fmt: skip
LINES = "_predict.json"  # JSON lines
NOT_COMPARED = (".png", ".md", "/model.json", ".onnx", ".pdiparams", ".pdmodel")


@dataclass(frozen=True)
class Case:
    """A script, what it is run on, and what belongs together of what it writes.

    `before`: commands that come first, the last of them the earlier run. `groups`: names of files, relative to the
    watched directory, that must be of one run; "export/*" stands for all files of a directory. `may_go`: names
    that may be missing while a run is on its way (a bundle of the model before). `grows`: names of what is written
    again with each part that is done; that it can be read is checked all the same.
    """

    script: str
    arguments: tuple[str, ...]
    before: tuple[tuple[str, tuple[str, ...]], ...]
    groups: tuple[tuple[str, ...], ...]
    rerun: tuple[str, ...] = ()
    may_go: tuple[str, ...] = ()
    grows: tuple[str, ...] = ()
    on_the_way: tuple[str, ...] = field(default=("checkpoints/", "unfinished/"))


SEQ_CLS = (
    "--dataset", "afqmc", "--data_source", "sample", "--model_name_or_path", "ernie-sample-nano", "--do_train",
    "--do_predict", "--do_export", "--max_train_samples", "32", "--max_dev_samples", "16", "--max_test_samples", "4",
    "--output_dir", "{place}/best", "--export_model_dir", "{place}/best", *TRAINING,
)  # fmt: skip
COMPRESS = (
    "--dataset", "afqmc", "--data_source", "sample", "--model_name_or_path", "{inputs}/best/afqmc", "--output_dir",
    "{place}/small", "--max_train_samples", "32", "--max_dev_samples", "16", "--width_mult_list", "1/2",
    "--method_list", "dynamic", *TRAINING,
)  # fmt: skip
MULTI_LABEL = ("--dataset_dir", "{inputs}/data", "--save_dir", "{place}/checkpoint", "--model_name",
               "ernie-sample-nano", *TRAINING)  # fmt: skip
DOCCANO = ("--doccano_file", "{inputs}/doccano.jsonl", "--save_dir", "{place}/data", "--overwrite")
DIRTY = ("--dataset_dir", "{place}", "--params_path", "{inputs}/checkpoint", "--dirty_num", "5", "--device", "cpu")
TRAIN_SMALL = ("multi_label/train.py", ("--dataset_dir", "{inputs}/data", "--save_dir", "{inputs}/checkpoint",
                                        "--model_name", "ernie-sample-nano", *TRAINING))  # fmt: skip
EXPORT = ("--params_path", "{inputs}/checkpoint", "--output_path", "{place}/export")
PRUNE = ("--params_dir", "{inputs}/checkpoint", "--dataset_dir", "{inputs}/data", "--output_dir", "{place}/prune",
         "--width_mult", "1/2", *TRAINING)  # fmt: skip

CASES = {
    "run_seq_cls": Case(
        "run_seq_cls.py", (*SEQ_CLS, "--overwrite_output_dir", "--seed", "7"),
        (("run_seq_cls.py", SEQ_CLS),),
        (("best/afqmc/config.json", "best/afqmc/model_state.pdparams", "best/afqmc/model_state.safetensors",
          "best/afqmc/vocab.txt", "best/afqmc/metrics.json", "best/afqmc/training_curve.png"),
         ("best/afqmc/test_results.json", "best/afqmc/afqmc_predict.json"), ("best/afqmc/export/*",)),
        rerun=("--resume",), may_go=("best/afqmc/export/",),
    ),
    "compress_seq_cls": Case(
        "compress_seq_cls.py", (*COMPRESS, "--overwrite_output_dir", "--seed", "7"),
        (("run_seq_cls.py", tuple(part.replace("{place}", "{inputs}") for part in SEQ_CLS)),
         ("compress_seq_cls.py", COMPRESS)),
        (("small/width_mult_0.5/config.json", "small/width_mult_0.5/model_state.pdparams",
          "small/width_mult_0.5/model_state.safetensors"),),
        rerun=("--resume",), may_go=("small/width_mult_1/", "small/width_mult_0.5/export/"),
        grows=("small/compress_report", "small/width_mult_1/export/", "small/width_mult_0.5/export/",
               "small/width_mult_0.5/metrics.json"),
    ),
    "multi_label_train": Case(
        "multi_label/train.py", (*MULTI_LABEL, "--overwrite_output_dir", "--seed", "7"),
        (("multi_label/train.py", MULTI_LABEL),),
        (("checkpoint/config.json", "checkpoint/model_state.pdparams", "checkpoint/model_state.safetensors",
          "checkpoint/label.txt", "checkpoint/metrics.json", "checkpoint/training_curve.png"),),
        rerun=("--resume",),
    ),
    "export_model": Case(
        "multi_label/export_model.py", (*EXPORT, "--threshold", "0.3"),
        (TRAIN_SMALL, ("multi_label/export_model.py", EXPORT)), (("export/*",),),
    ),
    "prune": Case(
        "multi_label/prune.py", (*PRUNE, "--overwrite_output_dir", "--seed", "7"),
        (TRAIN_SMALL, ("multi_label/prune.py", PRUNE)),
        (("prune/0.5/config.json", "prune/0.5/model_state.pdparams", "prune/0.5/model_state.safetensors"),),
        rerun=("--resume",), may_go=("prune/width_mult_1/",),
        grows=("prune/compress_report", "prune/width_mult_1/export/", "prune/width_mult_0.5/", "prune/0.5/"),
    ),
    "doccano": Case(
        "multi_label/doccano.py", (*DOCCANO, "--seed", "7", "--splits", "0.5", "0.5", "0"),
        (("multi_label/doccano.py", DOCCANO),), (("data/*",),),
    ),
    "dirty": Case(
        "multi_label/analysis/dirty.py", (*DIRTY, "--method", "confident"),
        (TRAIN_SMALL, ("multi_label/analysis/dirty.py", DIRTY)),
        (("train_dirty.txt", "train_dirty_rest.txt"),),
    ),
}  # fmt: skip


def visible(directory: Path, pattern: str) -> list[Path]:
    """What a reader finds: nothing under a hidden name."""
    found = sorted(directory.rglob(pattern))
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(directory).parts)]


def tree(directory: Path) -> Tree:
    """The files that a reader sees, and checksums of their content."""
    files = [path for path in visible(directory, "*") if path.is_file()]
    return {path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def everything(directory: Path) -> list[str]:
    """All names, hidden ones too."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))


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


def write_inputs(inputs: Path) -> None:
    """What the commands read: a data directory, doccano's export."""
    write_sample_directory(inputs / "data")
    labels = read_label_list(inputs / "data" / "label.txt")
    for split, count in (("train", 32), ("dev", 16)):
        path = inputs / "data" / FILES[split]  # type: ignore[index]
        write_label_sets(path, list(read_label_sets(path, labels))[:count])
    rows = [{"id": n, "text": f"第{n}条记录", "label": [f"标签{n % 3}"]} for n in range(240)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (inputs / "doccano.jsonl").write_text(lines, encoding="utf-8")


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
