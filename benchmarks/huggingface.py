"""Compares the logits of models here with those of Hugging Face's transformers and PyTorch, both ways.

    python scripts/environments.py huggingface
    python benchmarks/huggingface.py [--torch_python .venvs/huggingface/bin/python] [--output out.json]

transformers and PyTorch run in a Python of their own (see `huggingface_torch.py`). For each family and task a model
with random weights is made here and written by `export_transformers`, and one is made there and written as safetensors,
as pytorch_model.bin in both of PyTorch's forms, and in several files; the other side loads it and answers the same
inputs. A table of the greatest differences is printed; with any over 1e-4, or weights that do not come back bit by bit,
the exit code is 1. That `AutoTokenizer` gives the ids that training used is checked on the embedded sample's texts.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import write_json

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 1e-4
SIZES = {
    "hidden_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "max_position_embeddings": 64,
}
# Name -> transformers' model_type and settings of both libraries, then what only a model made there has.
FAMILIES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "bert": ("bert", {"type_vocab_size": 2}, {}),
    "ernie without task ids": ("ernie", {"type_vocab_size": 2, "use_task_id": False}, {}),
    "ernie with task ids": (
        "ernie",
        {"type_vocab_size": 4, "use_task_id": True, "task_type_vocab_size": 16},
        {"layer_norm_eps": 1e-5},
    ),
}
# Name -> the toolkit's task, transformers' class, number of labels (0: the task has none).
TASKS = {
    "single sentence": ("seq_cls", "AutoModelForSequenceClassification", 3),
    "sentence pair": ("seq_cls", "AutoModelForSequenceClassification", 2),
    "several labels": ("multi_label", "AutoModelForSequenceClassification", 5),
    "tokens": ("token_cls", "AutoModelForTokenClassification", 7),
    "reading": ("qa", "AutoModelForQuestionAnswering", 0),
    "multiple choice": ("multiple_choice", "AutoModelForMultipleChoice", 0),
}
FORMS = ("safetensors", "bin", "old_bin", "sharded")
ROWS, LENGTH = 4, 40


@dataclass(frozen=True)
class Case:
    """A family and a task, and the folder of their files."""

    family: str
    task: str
    place: Path


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = OneLineParser(prog="huggingface.py", description=__doc__)
    parser.add_argument(
        "--torch_python",
        type=Path,
        default=ROOT / ".venvs" / "huggingface" / "bin" / "python",
        help="a Python with torch and transformers (default: %(default)s)",
    )
    parser.add_argument("--output", type=Path, help="write the figures there as JSON")
    return parser.parse_args(argv)


def write_inputs(path: Path, pair: bool, tokens: int) -> None:
    """Token ids of rows of different lengths, the second half of each of type 1 where it is a pair."""
    draw = np.random.default_rng(5)
    lengths = draw.integers(LENGTH // 2, LENGTH + 1, ROWS)
    places = np.arange(LENGTH)
    mask = (places < lengths[:, None]).astype(np.int64)
    ids = draw.integers(5, tokens, (ROWS, LENGTH)) * mask
    types = ((places >= lengths[:, None] // 2) * mask) if pair else np.zeros_like(mask)
    np.savez(path, input_ids=ids, token_type_ids=types, attention_mask=mask)


def our_logits(model: Any, inputs: Path) -> np.ndarray:
    """The logits of a model here, as (rows, ...)."""
    import paddle

    model.eval()
    with paddle.no_grad():
        found = model(**{name: paddle.to_tensor(value) for name, value in np.load(inputs).items()})
    return np.stack([part.numpy() for part in found], -1) if isinstance(found, tuple) else np.asarray(found.numpy())


def difference(ours: np.ndarray, theirs: np.ndarray, inputs: Path) -> float:
    """The greatest difference of two logits; of tokens those that are padding do not count."""
    if ours.shape != theirs.shape:
        raise ConfigError(f"logits of shape {ours.shape} here and {theirs.shape} there")
    apart = np.abs(ours - theirs)
    if ours.ndim == 3:
        apart = apart[np.load(inputs)["attention_mask"] == 1]
    return float(apart.max())


def make_ours(case: Case) -> dict[str, Any]:
    """Make a model here, write it for transformers, keep its answers; gives the job for the other side."""
    import paddle

    from ernie_toolkit.data.sample import sample_vocab
    from ernie_toolkit.models import Vocabulary, new_model, save_model
    from ernie_toolkit.models.families import FAMILIES as PADDLE_FAMILIES
    from ernie_toolkit.models.transformers_export import export_transformers

    family, settings, _ = FAMILIES[case.family]
    task, kind, count = TASKS[case.task]
    labels = {f"label {place}": place for place in range(count)}
    head = {"num_labels": count, "id2label": {place: label for label, place in labels.items()}, "label2id": labels}
    vocabulary = Vocabulary(tuple(sample_vocab()))
    paddle.seed(11)
    given = {**SIZES, **settings, **(head if count else {})}
    model = new_model(vocabulary, given, task, PADDLE_FAMILIES[family]).model
    for parameter in model.parameters():
        parameter.set_value(parameter + 0.1 * paddle.randn(parameter.shape))
    save_model(model, vocabulary, case.place / "ours")
    export_transformers(case.place / "ours", case.place / "exported")
    np.save(case.place / "ours.npy", our_logits(model, case.place / "inputs.npz"))
    return {"kind": "load", "class": kind, "directory": str(case.place / "exported"), **_files(case, "ours_there")}


def make_theirs(case: Case, tokens: int) -> dict[str, Any]:
    """The job of making a model there."""
    family, settings, more = FAMILIES[case.family]
    task, kind, count = TASKS[case.task]
    config = {"model_type": family, "vocab_size": tokens, **SIZES, **settings, **more}
    config |= {"num_labels": count} if count else {}
    config |= {"problem_type": "multi_label_classification"} if task == "multi_label" else {}
    return {
        "kind": "make",
        "class": kind,
        "config": config,
        "seed": 3,
        "directory": str(case.place),
        **_files(case, "theirs"),
    }


def _files(case: Case, name: str) -> dict[str, str]:
    return {"inputs": str(case.place / "inputs.npz"), "answers": str(case.place / f"{name}.npy")}


def comparison(case: Case) -> dict[str, Any]:
    """What both sides' answers differ by, and whether the weights that were written come back."""
    from ernie_toolkit.models import load_model
    from ernie_toolkit.models.vocabulary import write_vocabulary

    task, _, _ = TASKS[case.task]
    inputs = case.place / "inputs.npz"
    ours, back = (load_model(str(case.place / name), task=task) for name in ("ours", "exported"))
    row: dict[str, Any] = {
        "family": case.family,
        "task": case.task,
        "ours there": difference(np.load(case.place / "ours.npy"), np.load(case.place / "ours_there.npy"), inputs),
    }
    for form in FORMS:
        write_vocabulary(case.place / form, ours.vocabulary)
        loaded = load_model(str(case.place / form), task=task)
        if loaded.fresh:
            raise ConfigError(f"{case.place / form}: {', '.join(loaded.fresh)} were not read")
        answers = our_logits(loaded.model, inputs)
        row[form] = difference(answers, np.load(case.place / "theirs.npy"), inputs)
    expected = ours.model.state_dict()
    found = back.model.state_dict()
    row["same weights back"] = list(expected) == list(found) and all(
        np.array_equal(found[name].numpy(), value.numpy()) for name, value in expected.items()
    )
    return row


def tokenizer_job(case: Case) -> tuple[dict[str, Any], list[list[int]]]:
    """The job of tokenizing texts and pairs of the sample there, and the ids that training used."""
    from ernie_toolkit.data import load_dataset
    from ernie_toolkit.text.tokenization import load_tokenizer

    rows = load_dataset("afqmc", data_source="sample").split("dev")[:50]
    texts = [[str(row["sentence1"]), str(row["sentence2"])] for row in rows]
    texts += [[f"ＡＢＣ é {first} \t①«»x²-{second} İ\u3000\u200d"] for first, second in texts]
    tokenizer = load_tokenizer(case.place / "exported")
    special = tokenizer.special
    expected = []
    for row in texts:
        parts = [[*ids, special.sep] for ids in tokenizer.encode_ids(row)]
        expected.append([special.cls, *itertools.chain(*parts)])
    job = {"kind": "tokenize", "directory": str(case.place / "exported"), "texts": texts}
    return {**job, "answers": str(case.place / "ids.json")}, expected


def compare(torch_python: Path, place: Path) -> tuple[list[dict[str, Any]], int, int]:
    """All rows of the table; how many texts were tokenized, and how many have other ids there.

    Args:
        torch_python: A Python with torch and transformers.
        place: An empty folder for the models.

    Raises:
        ConfigError: Where that Python fails.
    """
    from ernie_toolkit.data.sample import sample_vocab

    tokens = len(sample_vocab())
    cases = [
        Case(family, task, place / f"{number}_{index}")
        for number, family in enumerate(FAMILIES)
        for index, task in enumerate(TASKS)
    ]
    jobs = []
    for case in cases:
        case.place.mkdir()
        write_inputs(case.place / "inputs.npz", case.task not in ("single sentence", "several labels"), tokens)
        jobs += [make_ours(case), make_theirs(case, tokens)]
    job, expected = tokenizer_job(cases[0])
    write_json(place / "jobs.json", [*jobs, job])
    worker = [str(torch_python), str(Path(__file__).with_name("huggingface_torch.py")), str(place / "jobs.json")]
    done = subprocess.run(worker, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ConfigError(f"{torch_python} failed: {' '.join(done.stderr.split())[-600:]}")
    found = json.loads((cases[0].place / "ids.json").read_text(encoding="utf-8"))
    others = sum(one != other for one, other in zip(found, expected, strict=True))
    return [comparison(case) for case in cases], len(expected), others


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """The rows as Markdown."""
    names = list(rows[0])
    print("| " + " | ".join(names) + " |\n|" + " --- |" * len(names))
    for row in rows:
        shown = [f"{value:.1e}" if isinstance(value, float) else str(value) for value in row.values()]
        print("| " + " | ".join(shown) + " |")


def main() -> None:
    """Compare, print, and fail where something differs."""
    args = parse_args()
    with exit_on_toolkit_error("huggingface.py"):
        if not args.torch_python.is_file():
            raise ConfigError(f"{args.torch_python}: no Python there: python scripts/environments.py huggingface")
        with tempfile.TemporaryDirectory() as name:
            rows, texts, others = compare(args.torch_python, Path(name))
        print_table(rows)
        print(f"tokenizer: {texts} texts, {others} with other ids there")
        values = [value for row in rows for value in row.values() if isinstance(value, float)]
        good = max(values) <= LIMIT and not others and all(row["same weights back"] for row in rows)
        print(f"greatest difference {max(values):.1e}, limit {LIMIT:.0e}: {'passed' if good else 'FAILED'}")
        if args.output:
            write_json(args.output, {"rows": rows, "texts": texts, "other ids": others})
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
