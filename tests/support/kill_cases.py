"""The runs that are stopped before each of their file operations."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from ernie_toolkit.data.label_sets import (
    FILES,
    read_label_list,
    read_label_sets,
    write_label_sets,
    write_sample_directory,
)

Tree = dict[str, str]


TRAINING = (
    "--max_steps",
    "4",
    "--save_steps",
    "2",
    "--per_device_train_batch_size",
    "8",
    "--max_seq_length",
    "32",
    "--report_to",
    "none",
    "--disable_tqdm",
    "true",
    "--device",
    "cpu",
)


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
    "--dataset",
    "afqmc",
    "--data_source",
    "sample",
    "--model_name_or_path",
    "ernie-sample-nano",
    "--do_train",
    "--do_predict",
    "--do_export",
    "--max_train_samples",
    "32",
    "--max_dev_samples",
    "16",
    "--max_test_samples",
    "4",
    "--output_dir",
    "{place}/best",
    "--export_model_dir",
    "{place}/best",
    *TRAINING,
)


MULTIPLE_CHOICE = tuple("c3" if part == "afqmc" else part for part in SEQ_CLS)


# The directory of the model that COMPRESS makes.
SMALL = "width_mult_0.5_depth_mult_0.5"
COMPRESS = (
    "--dataset",
    "afqmc",
    "--data_source",
    "sample",
    "--model_name_or_path",
    "{inputs}/best/afqmc",
    "--output_dir",
    "{place}/small",
    "--max_train_samples",
    "32",
    "--max_dev_samples",
    "16",
    "--width_mult_list",
    "1/2",
    "--depth_mult_list",
    "1/2",
    "--method_list",
    "dynamic",
    *TRAINING,
)


DISTILLED = "layers1_hidden32_heads4"
DISTILL = (
    "--dataset",
    "afqmc",
    "--data_source",
    "sample",
    "--teacher",
    "{inputs}/best/afqmc",
    "--output_dir",
    "{place}/small",
    "--max_train_samples",
    "32",
    "--max_dev_samples",
    "16",
    "--students",
    "layers=1,hidden=32,heads=4",
    "width=1/2",
    "--hidden_weight",
    "0",
    "--relation_weight",
    "0",
    *TRAINING,
    "--max_steps",
    "6",
)


MULTI_LABEL = (
    "--dataset_dir",
    "{inputs}/data",
    "--save_dir",
    "{place}/checkpoint",
    "--model_name",
    "ernie-sample-nano",
    *TRAINING,
)


DOCCANO = ("--doccano_file", "{inputs}/doccano.jsonl", "--save_dir", "{place}/data", "--overwrite")


DIRTY = ("--dataset_dir", "{place}", "--params_path", "{inputs}/checkpoint", "--dirty_num", "5", "--device", "cpu")


TRAIN_SMALL = (
    "multi_label/train.py",
    (
        "--dataset_dir",
        "{inputs}/data",
        "--save_dir",
        "{inputs}/checkpoint",
        "--model_name",
        "ernie-sample-nano",
        *TRAINING,
    ),
)


EXPORT = ("--params_path", "{inputs}/checkpoint", "--output_path", "{place}/export")


PRUNE = (
    "--params_dir",
    "{inputs}/checkpoint",
    "--dataset_dir",
    "{inputs}/data",
    "--output_dir",
    "{place}/prune",
    "--width_mult",
    "1/2",
    *TRAINING,
)


def _fine_tuning(script: str, arguments: tuple[str, ...], dataset: str, submission: str) -> Case:
    """A run that replaces a trained model, its predictions and its bundle."""
    place = f"best/{dataset}"
    model = ("config.json", "model_state.pdparams", "model_state.safetensors", "vocab.txt", "metrics.json")
    return Case(
        script,
        (*arguments, "--overwrite_output_dir", "--seed", "7"),
        ((script, arguments),),
        (
            tuple(f"{place}/{name}" for name in (*model, "training_curve.png")),
            (f"{place}/test_results.json", f"{place}/{submission}"),
            (f"{place}/export/*",),
        ),
        rerun=("--resume",),
        may_go=(f"{place}/export/",),
    )


CASES = {
    "run_seq_cls": _fine_tuning("run_seq_cls.py", SEQ_CLS, "afqmc", "afqmc_predict.json"),
    "run_multiple_choice": _fine_tuning("run_multiple_choice.py", MULTIPLE_CHOICE, "c3", "c311_predict.json"),
    "compress_seq_cls": Case(
        "compress_seq_cls.py",
        (*COMPRESS, "--overwrite_output_dir", "--seed", "7"),
        (
            ("run_seq_cls.py", tuple(part.replace("{place}", "{inputs}") for part in SEQ_CLS)),
            ("compress_seq_cls.py", COMPRESS),
        ),
        (
            (
                f"small/{SMALL}/config.json",
                f"small/{SMALL}/model_state.pdparams",
                f"small/{SMALL}/model_state.safetensors",
            ),
        ),
        rerun=("--resume",),
        may_go=("small/width_mult_1/", f"small/{SMALL}/export/"),
        grows=(
            "small/compress_report",
            "small/width_mult_1/export/",
            f"small/{SMALL}/export/",
            f"small/{SMALL}/metrics.json",
        ),
    ),
    "distill": Case(
        "distill.py",
        (*DISTILL, "--overwrite_output_dir", "--seed", "7"),
        (
            ("run_seq_cls.py", tuple(part.replace("{place}", "{inputs}") for part in SEQ_CLS)),
            ("distill.py", DISTILL),
        ),
        tuple(
            (f"small/{name}/config.json", f"small/{name}/model_state.pdparams", f"small/{name}/model_state.safetensors")
            for name in (DISTILLED, "width_mult_0.5")
        ),
        rerun=("--resume",),
        may_go=("small/teacher/", f"small/{DISTILLED}/export/", "small/width_mult_0.5/export/"),
        grows=(
            "small/distill_report",
            "small/teacher/export/",
            *(f"small/{name}/{part}" for name in (DISTILLED, "width_mult_0.5") for part in ("export/", "metrics.json")),
        ),
    ),
    "multi_label_train": Case(
        "multi_label/train.py",
        (*MULTI_LABEL, "--overwrite_output_dir", "--seed", "7"),
        (("multi_label/train.py", MULTI_LABEL),),
        (
            (
                "checkpoint/config.json",
                "checkpoint/model_state.pdparams",
                "checkpoint/model_state.safetensors",
                "checkpoint/label.txt",
                "checkpoint/metrics.json",
                "checkpoint/training_curve.png",
            ),
        ),
        rerun=("--resume",),
    ),
    "export_model": Case(
        "multi_label/export_model.py",
        (*EXPORT, "--threshold", "0.3"),
        (TRAIN_SMALL, ("multi_label/export_model.py", EXPORT)),
        (("export/*",),),
    ),
    "export_hf": Case(
        "ernie_toolkit/commands/export_hf.py",
        ("{inputs}/checkpoint", "{place}/out", "--overwrite_output_dir"),
        (
            TRAIN_SMALL,
            (TRAIN_SMALL[0], (*(part.replace("checkpoint", "earlier") for part in TRAIN_SMALL[1]), "--seed", "7")),
            ("ernie_toolkit/commands/export_hf.py", ("{inputs}/earlier", "{place}/out")),
        ),
        (("out/*",),),
    ),
    "prune": Case(
        "multi_label/prune.py",
        (*PRUNE, "--overwrite_output_dir", "--seed", "7"),
        (TRAIN_SMALL, ("multi_label/prune.py", PRUNE)),
        (("prune/0.5/config.json", "prune/0.5/model_state.pdparams", "prune/0.5/model_state.safetensors"),),
        rerun=("--resume",),
        may_go=("prune/width_mult_1/",),
        grows=("prune/compress_report", "prune/width_mult_1/export/", "prune/width_mult_0.5/", "prune/0.5/"),
    ),
    "doccano": Case(
        "multi_label/doccano.py",
        (*DOCCANO, "--seed", "7", "--splits", "0.5", "0.5", "0"),
        (("multi_label/doccano.py", DOCCANO),),
        (("data/*",),),
    ),
    "dirty": Case(
        "multi_label/analysis/dirty.py",
        (*DIRTY, "--method", "confident"),
        (TRAIN_SMALL, ("multi_label/analysis/dirty.py", DIRTY)),
        (("train_dirty.txt", "train_dirty_rest.txt"),),
    ),
}


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
