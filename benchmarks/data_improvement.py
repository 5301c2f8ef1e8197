"""Does working on the data help? Wrong labels found, and F1 before and after adding rows.

    python benchmarks/data_improvement.py --dataset_dir data --model_name ernie-3.0-medium-zh [--output FILE.json]

Two tables. Dirty: of --dirty_rows training rows a tenth gets the label set of another row that has a different one; a
model is trained on them, and dirty.py's two methods rank them: of the first tenth of the ranking, how many are really
wrong (chance: a tenth). Improvement: a model is trained on --train_rows rows, then anew on these and the rows that
sparse.py or aug.py add, with the same number of steps; micro and macro F1 on test.txt, mean and spread of --seeds.
"""

import argparse
import contextlib
import dataclasses
import gc
import io
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.data import DataSet
from ernie_toolkit.data.label_sets import load_label_sets
from ernie_toolkit.data.readers import Example
from ernie_toolkit.multi_label.analysis.augmentation import REPLACERS, augment
from ernie_toolkit.multi_label.analysis.similarity import evidence, sparsest, support
from ernie_toolkit.multi_label.analysis.wrong_labels import METHODS, most_suspicious, suspicion
from ernie_toolkit.multi_label.options import TRAINING_DEFAULTS, FineTuningOptions, training_options
from ernie_toolkit.multi_label.trained import TrainedModel, load_trained
from ernie_toolkit.multi_label.training import fine_tune
from ernie_toolkit.training.devices import use_device
from ernie_toolkit.training.options import TrainingOptions

WRONG_SHARE = 0.1
RATIONALE_NUM_SPARSE, SPARSE_NUM = 3, 100
RATIONALE_NUM_SUPPORT, SUPPORT_THRESHOLD, SUPPORT_NUM = 6, 0.7, 100
CREATE, PERCENT = 2, 0.1


def trained_on(args: argparse.Namespace, data: DataSet, seed: int, steps: int, directory: Path) -> TrainedModel:
    """A model trained for some steps, without its talk."""
    own = FineTuningOptions(
        model_name=args.model_name, save_dir=str(directory), batch_size=args.batch_size, overwrite_output_dir=True
    )
    options = TrainingOptions(
        **{
            **TRAINING_DEFAULTS,
            "learning_rate": args.learning_rate,
            "max_seq_length": args.max_seq_length,
            "warmup_ratio": 0.1,
            "seed": seed,
            "max_steps": steps,
            "disable_tqdm": True,
            "report_to": "none",
            "hidden_dropout_prob": args.dropout,
            "attention_probs_dropout_prob": args.dropout,
        }
    )
    with contextlib.redirect_stdout(io.StringIO()):
        fine_tune(own, training_options(own, options), data, "cpu")
    gc.collect()
    return load_trained(str(directory))


def with_rows(data: DataSet, rows: Sequence[Example]) -> DataSet:
    """The same data set with other training rows."""
    return dataclasses.replace(data, train=list(rows))


def mislabelled(rows: Sequence[Example], draw: random.Random) -> tuple[list[Example], set[int]]:
    """Rows of which a tenth has the labels of another row, and which they are."""
    chosen = draw.sample(range(len(rows)), round(WRONG_SHARE * len(rows)))
    changed = list(rows)
    for place in chosen:
        others = [row["labels"] for row in rows if row["labels"] != rows[place]["labels"]]
        changed[place] = {**rows[place], "labels": draw.choice(others)}
    return changed, set(chosen)


def dirty_table(args: argparse.Namespace, data: DataSet) -> dict[str, Any]:
    """How many of the rows ranked first are really wrong, for each method."""
    rows, wrong = mislabelled(data.split("train")[: args.dirty_rows], random.Random(args.seeds[0]))
    with tempfile.TemporaryDirectory() as name:
        steps = args.dirty_epochs * len(rows) // args.batch_size
        trained = trained_on(args, with_rows(data, rows), args.seeds[0], steps, Path(name) / "model")
        features = trained.sentence_features([row["sentence"] for row in rows], 64)
    found = {}
    for method in METHODS:
        scores = suspicion(method, features, trained.task.gold(rows), args.seeds[0])
        first = most_suspicious(scores, len(wrong), float("-inf"))
        found[method] = len(wrong.intersection(first.tolist()))
    return {"rows": len(rows), "wrong": len(wrong), "found": found, "chance": len(wrong) * WRONG_SHARE}


def supported(args: argparse.Namespace, data: DataSet, model: TrainedModel, seed: int) -> list[Example]:
    """The rows that sparse.py adds with --aug_strategy substitute."""
    train, dev = data.split("train"), data.split("dev")
    known, asked = (model.sentence_features([row["sentence"] for row in rows], 64) for rows in (train, dev))
    sparse = sparsest(evidence(asked, known, RATIONALE_NUM_SPARSE), SPARSE_NUM)
    places = support(asked[sparse], known, RATIONALE_NUM_SUPPORT, SUPPORT_THRESHOLD, SUPPORT_NUM)
    rows = [train[place] for place in places]
    everything = [row["sentence"] for row in train]
    return augment(rows, "substitute", REPLACERS["synonym"], 1, PERCENT, seed, everything)


def improvement_table(args: argparse.Namespace, data: DataSet) -> dict[str, list[dict[str, float]]]:
    """Test figures of each way, one entry for each seed."""
    found: dict[str, list[dict[str, float]]] = {}
    for seed in args.seeds:
        rows = random.Random(seed).sample(data.split("train"), args.train_rows)
        few = with_rows(data, rows)
        with tempfile.TemporaryDirectory() as name:
            base = trained_on(args, few, seed, args.steps, Path(name) / "base")
            made: dict[str, Callable[[], list[Example]]] = {
                "as they are": list,
                "sparse, substitute": partial(supported, args, few, base, seed),
                **{
                    f"aug, {kind}": partial(augment, rows, "substitute", REPLACERS[kind], CREATE, PERCENT, seed)
                    for kind in REPLACERS
                },
            }
            for way, make in made.items():
                added = make()
                model = base
                if added:
                    model = trained_on(args, with_rows(data, [*rows, *added]), seed, args.steps, Path(name) / "more")
                figures = {**test_figures(model, data), "rows": float(len(rows) + len(added))}
                found.setdefault(way, []).append(figures)
                sys.stderr.write(f"seed {seed}, {way}: {figures}\n")
    return found


def test_figures(model: TrainedModel, data: DataSet) -> dict[str, float]:
    """Micro and macro F1 on the test rows."""
    examples = data.split("test")
    logits = list(model.logits([row["sentence"] for row in examples], 64))
    scores = model.task.score(model.encode([]), logits, examples)
    return {name: scores[name] for name in ("micro_f1", "macro_f1")}


def print_improvement(table: dict[str, list[dict[str, float]]]) -> None:
    """A line for each way: rows, mean and spread (largest less smallest) of both figures, in points."""
    print("| training rows | rows | micro F1 (spread) | macro F1 (spread) |\n| --- | --- | --- | --- |")
    for way, entries in table.items():
        cells = []
        for name in ("micro_f1", "macro_f1"):
            values = [100 * entry[name] for entry in entries]
            cells.append(f"{statistics.mean(values):.2f} ({max(values) - min(values):.2f})")
        print(f"| {way} | {statistics.mean(entry['rows'] for entry in entries):.0f} | {' | '.join(cells)} |")


def main() -> None:
    """Parse arguments, measure, print."""
    parser = OneLineParser(prog="data_improvement.py", description=__doc__)
    parser.add_argument("--dataset_dir", required=True, help="directory with train.txt, dev.txt, test.txt, label.txt")
    parser.add_argument("--model_name", required=True, help="pretrained model")
    parser.add_argument("--dirty_only", action="store_true")
    parser.add_argument("--improvement_only", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--dirty_rows", type=int, default=2000)
    parser.add_argument("--dirty_epochs", type=int, default=4)
    parser.add_argument("--train_rows", type=int, default=500)
    parser.add_argument("--steps", type=int, default=150, help="steps of each training of the second table")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--learning_rate", type=float, default=3e-4)
    parser.add_argument("--dropout", type=float, default=-1, help="-1: the model's own")
    parser.add_argument("--max_seq_length", type=int, default=128)
    parser.add_argument("--output", type=Path, help="write all figures here as JSON")
    args = parser.parse_args()
    with exit_on_toolkit_error(parser.prog):
        use_device("cpu")
        data = load_label_sets(args.dataset_dir, ("train", "dev", "test"))
        results: dict[str, Any] = {"arguments": {key: str(value) for key, value in vars(args).items()}}
        if not args.improvement_only:
            results["dirty"] = dirty = dirty_table(args, data)
            print(
                f"of {dirty['rows']} rows {dirty['wrong']} have wrong labels; among the {dirty['wrong']} ranked first:"
            )
            for method, count in dirty["found"].items():
                print(f"  {method}: {count} ({100 * count / dirty['wrong']:.0f}%)")
            print(f"  chance: {dirty['chance']:.0f} ({100 * WRONG_SHARE:.0f}%)", flush=True)
        if not args.dirty_only:
            results["improvement"] = improvement_table(args, data)
            print_improvement(results["improvement"])
        if args.output:
            args.output.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
