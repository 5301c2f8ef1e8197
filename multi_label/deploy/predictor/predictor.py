"""What infer.py does with a bundle: find it, predict, print, measure."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ernie_toolkit.bundle import Bundle, read_bundle
from ernie_toolkit.console import print_line, warn
from ernie_toolkit.data.inputs import InputRow, texts_to_predict, with_answers
from ernie_toolkit.data.label_sets import load_label_sets, read_label_list
from ernie_toolkit.data.registry import Split
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.text.features import TextInput

SINGLE_TEXTS = 100  # asked one by one, to see how long one text takes
MEASURED_SECONDS = 1.0  # all texts are predicted again until that much time is measured


def find_bundle(model_path_prefix: str, verify: bool = True) -> Bundle:
    """The bundle in DIR of `DIR/float32`, or in the directory that is named itself.

    Raises BundleError where there is none, ConfigError where it is one for another task.
    """
    path = Path(model_path_prefix)
    bundle = read_bundle(path if path.is_dir() else path.parent, verify)
    if bundle.info.task != "multi_label":
        raise ConfigError(
            f"{bundle.directory} is a bundle for the task '{bundle.info.task}': "
            "multi_label/export_model.py exports multi-label models"
        )
    return bundle


def check_labels(bundle: Bundle, labels: Sequence[str], where: Path) -> None:
    """ConfigError where a data directory has other labels than the model, or the same in another order."""
    if tuple(labels) != bundle.info.labels:
        raise ConfigError(
            f"{where} lists {len(labels)} labels ({', '.join(labels[:3])} ...), the model has "
            f"{len(bundle.info.labels)} ({', '.join(bundle.info.labels[:3])} ...): give the data it was trained on"
        )


def check_label_file(bundle: Bundle, path: Path, encoding: str = "utf-8") -> None:
    """As `check_labels`, of a label file."""
    check_labels(bundle, read_label_list(path, encoding), path)


def show(predictor: Predictor, rows: Sequence[InputRow], batch_size: int) -> None:
    """Predict and print the labels of each text, and the reason of each row that has none."""
    for row, answer in with_answers(rows, predictor.predict(texts_to_predict(rows), batch_size)):
        print_line(f"input data: {row.text if answer else '(none)'}")
        print_line(f"label: {', '.join(answer.names)}" if answer else f"no answer: {row.reason}")
        print_line("-" * 28)


def evaluate(
    predictor: Predictor, directory: Path, split: Split, label_file: str, batch_size: int, encoding: str = "utf-8"
) -> None:
    """Print F1 of a labelled file, how many texts a second are predicted, and how long one alone takes."""
    data = load_label_sets(directory, (split,), label_file=label_file, encoding=encoding)
    for message in data.notices:
        warn(message)
    check_labels(predictor.bundle, data.spec.labels, directory / label_file)
    examples, task = data.split(split), predictor.task
    texts = task.inputs(examples)
    rows = task.encode(predictor.tokenizer, texts)
    scores = task.score(rows, predictor.run(rows, batch_size), examples)  # the sessions' buffers are there after this
    rounds = [_seconds(predictor, texts, batch_size)]
    while sum(rounds) < MEASURED_SECONDS:
        rounds.append(_seconds(predictor, texts, batch_size))
    seconds = float(np.median(rounds))
    alone = np.array([_seconds(predictor, [text], 1) for text in texts[:SINGLE_TEXTS]])
    shown = (f"{name.replace('_', ' ')} {100 * scores[name]:.2f}" for name in ("micro_f1", "macro_f1", "accuracy"))
    print_line(f"{split} of {directory}: {', '.join(shown)}")
    print(
        f"sample nums: {len(texts)}, batch size: {batch_size}, time: {seconds:.3f} s, latency: "
        f"{1000 * seconds / len(texts):.2f} ms, throughput: {len(texts) / seconds:.1f} texts/s"
    )
    print(
        f"one text at a time: median {1000 * np.median(alone):.2f} ms, "
        f"95th percentile {1000 * np.percentile(alone, 95):.2f} ms"
    )


def _seconds(predictor: Predictor, texts: Sequence[TextInput], batch_size: int) -> float:
    started = time.perf_counter()
    predictor.predict(texts, batch_size)
    return time.perf_counter() - started
