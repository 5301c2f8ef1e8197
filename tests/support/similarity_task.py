"""A task that the toolkit does not have: how similar two texts are, as a number from 0 to 1.

It stands for any new task: this module defines it and the form of its files and registers both, and no other module
knows its name. Run as a script, it is the task's HTTP server.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ernie_toolkit.data.file_options import FileOptions, FileRecord
from ernie_toolkit.data.forms import DataForm, PredictedRow, register_form
from ernie_toolkit.data.lines import read_lines
from ernie_toolkit.data.registry import DatasetSpec, Split
from ernie_toolkit.decoding import Answer
from ernie_toolkit.errors import DataError
from ernie_toolkit.formats.ranges import real_number
from ernie_toolkit.tasks import Task, TaskSettings, register
from ernie_toolkit.tasks.base import Ensemble, Example, Tensor, arrays_of, logits_table
from ernie_toolkit.text.dataset import EncodedDataset, Outputs
from ernie_toolkit.text.features import TextInput, Texts, encode_counting_cuts
from ernie_toolkit.text.tokenization import WordPieceTokenizer


class ScoresForm(DataForm):
    """A line has two texts and, but for rows to predict, their score, with tabs between."""

    kind: ClassVar[str] = "scored pairs"
    noun: ClassVar[str] = "pair"

    def read(
        self, path: Path, spec: DatasetSpec, split: Split, options: FileOptions, record: FileRecord
    ) -> Iterator[dict[str, Any]]:
        """Stream the lines of a file."""
        for index, (number, line) in enumerate(read_lines(path, options.encoding)):
            names = ("sentence1", "sentence2", "score")
            example = self.parse(
                dict(zip(names, line.split("\t"), strict=False)), spec, split, index, f"{path}:{number}"
            )
            yield {**example, "line": number} if split == "test" else example

    def parse(self, row: dict[str, Any], spec: DatasetSpec, split: Split, index: int, where: str) -> dict[str, Any]:
        """Check that there are two texts, and a score where one is needed."""
        try:
            score = None if split == "test" else real_number(row["score"])
            return {"id": index, "sentence1": row["sentence1"], "sentence2": row["sentence2"], "score": score}
        except (KeyError, ValueError):
            raise DataError(f"{where}: no two texts and a score: write text<TAB>text<TAB>0.5") from None

    def text_format(self, path: Path, split: Split, options: FileOptions) -> str:
        """Always pairs."""
        return "pair"

    def example_format(self, example: Example) -> str:
        """Always pairs."""
        return "pair"

    def counts(self, examples: Sequence[Example]) -> Counter[str | None]:
        """Nothing: there are no labels."""
        return Counter()

    def contents(self, examples: Sequence[Example], counts: Mapping[str | None, int]) -> str:
        """The mean score."""
        scores = [example["score"] for example in examples if example["score"] is not None]
        return f"mean score {np.mean(scores):.2f}" if scores else "no scores"

    def guide_columns(self, rows: Sequence[PredictedRow], spec: DatasetSpec) -> dict[str, Any]:
        """`score` of each row."""
        return {"score": [row.answer and row.answer.fields()["score"] for row in rows]}

    def hidden(self, row: dict[str, Any], index: int) -> dict[str, Any]:
        """The row without its score."""
        return {name: value for name, value in row.items() if name != "score"}

    def file_text(self, rows: Sequence[dict[str, Any]]) -> str:
        """A line for each row."""
        return "".join("\t".join(map(str, row.values())) + "\n" for row in rows)


@dataclass(frozen=True)
class ScoreAnswer:
    """How similar two texts are, from 0 to 1."""

    score: float

    FIELDS: ClassVar[tuple[str, ...]] = ("score",)

    def fields(self) -> dict[str, Any]:
        """`score`, rounded."""
        return {"score": round(self.score, 6)}

    @property
    def content(self) -> float:
        """The score to two decimals."""
        return round(self.score, 2)

    def lines(self) -> list[str]:
        """The score."""
        return [f"score: {self.score:.4f}"]


@register
@dataclass(frozen=True)
class Similarity(Task):
    """Two texts to the score of their similarity, by regression."""

    max_seq_length: int
    text_format: str = "pair"
    labels: tuple[str, ...] = field(default=(), init=False)
    label_names: tuple[str, ...] | None = field(default=None, init=False)

    name: ClassVar[str] = "similarity"
    title: ClassVar[tuple[str, str]] = ("文本相似度", "text similarity")
    script: ClassVar[str] = "run_similarity.py"
    config_section: ClassVar[str | None] = "Similarity"
    metrics: ClassVar[tuple[str, ...]] = ("correlation", "loss")
    answer: ClassVar[type[Answer]] = ScoreAnswer
    problem_type: ClassVar[str | None] = "regression"
    data_form: ClassVar[str] = "scored_pairs"
    has_labels: ClassVar[bool] = False
    model_path: ClassVar[str] = "best_models/similarity/export"
    service_path: ClassVar[str] = "models/similarity"
    ensemble: ClassVar[Ensemble] = Ensemble("similarity", (Tensor("score", "FP32"),))
    default_text_format: ClassVar[str] = "pair"
    examples: ClassVar[Mapping[str, Sequence[TextInput]]] = {
        "pair": [("甲乙丙丁", "甲乙丙丁"), ("甲乙丙丁", "天地玄黄")]
    }

    @classmethod
    def make(cls, settings: TaskSettings) -> Similarity:
        """The task for sequences of this length."""
        return cls(settings.max_seq_length, settings.text_format)

    @classmethod
    def num_classes(cls, labels: Sequence[str]) -> int | None:
        """One number for each pair."""
        return 1

    def encode(self, tokenizer: WordPieceTokenizer, inputs: Texts) -> EncodedDataset:
        """One row for each pair."""
        features, cuts = encode_counting_cuts(tokenizer, inputs, self.max_seq_length, self.text_format)
        return EncodedDataset(features, tokenizer.special.pad, cut_rows=cuts)

    def with_targets(self, rows: EncodedDataset, examples: Sequence[Example]) -> EncodedDataset:
        """`labels`: float32 of shape (rows, 1)."""
        scores = np.array([[example["score"]] for example in examples], dtype=np.float32)
        return replace(rows, targets={"labels": scores})

    def decode(self, rows: EncodedDataset, logits: Outputs, inputs: Sequence[TextInput]) -> list[ScoreAnswer]:
        """The score of each pair."""
        return [ScoreAnswer(float(value)) for value in np.clip(logits_table(logits, 1)[:, 0], 0, 1)]

    def score(
        self,
        rows: EncodedDataset,
        logits: Outputs,
        examples: Sequence[Example],
        answers: Sequence[Any] | None = None,
    ) -> dict[str, float]:
        """Pearson's correlation, and the mean squared error as loss."""
        found = logits_table(logits, 1)[:, 0]
        wanted = np.array([example["score"] for example in examples], dtype=np.float32)
        return {"correlation": float(np.corrcoef(found, wanted)[0, 1]), "loss": float(np.mean((found - wanted) ** 2))}

    def service_result(
        self,
        inputs: Sequence[TextInput],
        answers: Sequence[ScoreAnswer],
        logits: Sequence[np.ndarray],
        words: Sequence[Sequence[str] | None],
    ) -> dict[str, Any]:
        """`score` of each pair."""
        return {"score": [answer.fields()["score"] for answer in answers]}

    def answer_arrays(self, answers: Sequence[ScoreAnswer]) -> list[np.ndarray]:
        """The score of each pair."""
        return arrays_of([(answer.score,) for answer in answers], self.ensemble.answers)


register_form(Similarity.data_form, ScoresForm())


def write_rows(path: Path, count: int, seed: int, scored: bool = True) -> Path:
    """A file of pairs of which a half is the same text twice (score 1), the other half two of other signs (0)."""
    random = np.random.default_rng(seed)
    lines = []
    for number in range(count):
        first = "".join(random.choice(list("甲乙丙丁"), 4))
        second = first if number % 2 else "".join(random.choice(list("天地玄黄"), 4))
        lines.append("\t".join((first, second, *((str(number % 2),) if scored else ()))) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def bundle_of_new_model(directory: Path, data_directory: Path) -> Path:
    """A bundle of an untrained model for this task; `data_directory` gets the files that it is checked on."""
    from ernie_toolkit.data import load_dataset
    from ernie_toolkit.models import SAMPLE_MODEL, load_model
    from ernie_toolkit.session import Session

    rows = write_rows(data_directory / "rows.tsv", 8, 1)
    data = load_dataset("custom", task=Similarity.name, train_file=rows, dev_file=rows)
    session = Session(load_model(SAMPLE_MODEL, task=Similarity.name), data, data.spec.task(16))
    return session.export(directory, 4, {}, trained=True).directory


if __name__ == "__main__":
    from ernie_toolkit.simple_serving.cli import main

    main(Similarity.name, json.dumps(Similarity.title))
