"""One label for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding import NO_OPTIONS, Answer, AnswerOptions, LabelAnswer, decode_labels, softmax
from ernie_toolkit.decoding.labels import scaled
from ernie_toolkit.metrics import accuracy
from ernie_toolkit.tasks.base import (
    TOP_LABELS,
    Ensemble,
    Example,
    Task,
    TaskSettings,
    Tensor,
    arrays_of,
    cross_entropy,
    logits_table,
)
from ernie_toolkit.text.dataset import EncodedDataset, Outputs
from ernie_toolkit.text.features import TextInput, Texts, encode_counting_cuts
from ernie_toolkit.text.tokenization import WordPieceTokenizer


@dataclass(frozen=True)
class SequenceClassification(Task):
    """Text or pair to label; what is longer than `max_seq_length` tokens is cut off (see `Task`).

    Attributes:
        labels: Label identifiers in the order of the logits.
        max_seq_length: The longest sequence in tokens.
        label_names: Readable names in the labels' order, or None.
        text_format: How texts are read, one of `TEXT_FORMATS`.
        temperature: What logits are divided by for probabilities.
        answer_options: What is asked of the answers.
    """

    labels: tuple[str, ...]
    max_seq_length: int
    label_names: tuple[str, ...] | None = None
    text_format: str = "sentence"
    temperature: float = 1.0
    answer_options: AnswerOptions = NO_OPTIONS

    name: ClassVar[str] = "seq_cls"
    title: ClassVar[tuple[str, str]] = ("文本分类", "text classification")
    script: ClassVar[str] = "run_seq_cls.py"
    config_section: ClassVar[str | None] = "SequenceClassification"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "loss")
    answer: ClassVar[type[Answer]] = LabelAnswer
    ANSWER_OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "top_k": ("scores",),
        "all_scores": ("scores",),
        "abstain_below": ("abstained",),
    }
    # PaddleNLP fills it in itself, but only in a training step.
    problem_type: ClassVar[str | None] = "single_label_classification"
    model_path: ClassVar[str] = "best_models/afqmc/export"
    service_path: ClassVar[str] = "models/ernie_cls"
    ensemble: ClassVar[Ensemble] = Ensemble(
        "ernie_seqcls", (Tensor("label", "INT64"), Tensor("confidence", "FP32"), Tensor("label_name", "STRING"))
    )
    default_text_format: ClassVar[str] = "pair"
    # What the models that the default commands train on the sample answer rightly with a wide margin, whatever the
    # seed, the number of threads and the processor; so with the examples of every task.
    examples: ClassVar[Mapping[str, Sequence[TextInput]]] = {
        "sentence": ["这款电动轿车试驾体验超出预期", "乒乓小将打破全国纪录"],
        "pair": [("在哪里重设校园卡密码", "校园卡密码忘了。"), ("怎么查信用卡余额", "我想把信用卡退掉")],
    }

    @classmethod
    def make(cls, settings: TaskSettings) -> SequenceClassification:
        """The task for these labels."""
        return cls(
            settings.labels,
            settings.max_seq_length,
            settings.label_names,
            settings.text_format,
            settings.temperature,
        )

    def encode(self, tokenizer: WordPieceTokenizer, inputs: Texts) -> EncodedDataset:
        """One row for each input."""
        features, cuts = encode_counting_cuts(tokenizer, inputs, self.max_seq_length, self.text_format)
        return EncodedDataset(features, tokenizer.special.pad, cut_rows=cuts)

    def with_targets(self, rows: EncodedDataset, examples: Sequence[Example]) -> EncodedDataset:
        """`labels`: int64 of shape (rows,)."""
        ids = {label: index for index, label in enumerate(self.labels)}
        labels = np.array([ids[example["label"]] for example in examples], dtype=np.int64)
        return replace(rows, targets={"labels": labels})

    def decode(self, rows: EncodedDataset, logits: Outputs, inputs: Sequence[TextInput]) -> list[LabelAnswer]:
        """The most probable label of each input."""
        table = logits_table(logits, len(self.labels))
        return decode_labels(table, self.labels, self.label_names, self.answer_options, self.temperature)

    def score(
        self,
        rows: EncodedDataset,
        logits: Outputs,
        examples: Sequence[Example],
        answers: Sequence[Any] | None = None,
    ) -> dict[str, float]:
        """Accuracy and loss."""
        gold = np.asarray(rows.targets["labels"])
        table = logits_table(logits, len(self.labels))
        return {"accuracy": accuracy(table, gold), "loss": cross_entropy(table, gold)}

    def service_result(
        self,
        inputs: Sequence[TextInput],
        answers: Sequence[LabelAnswer],
        logits: Sequence[np.ndarray],
        words: Sequence[Sequence[str] | None],
    ) -> dict[str, Any]:
        """Index, probability, identifier and name of each label, and the most probable labels in `top`.

        Where asked for, `scores` (entries as in `top`) and `abstained`.
        """
        table = logits_table(logits, len(self.labels))
        best = np.argsort(-table, axis=1, kind="stable")[:, :TOP_LABELS]
        return {
            "label": [answer.index for answer in answers],
            "confidence": [round(answer.confidence, 6) for answer in answers],
            "label_id": [answer.label for answer in answers],
            "label_name": [answer.name for answer in answers],
            "top": [
                [self._entry(index, float(row[index])) for index in chosen.tolist()]
                for chosen, row in strict_zip(best, softmax(scaled(table, self.temperature)))
            ],
            **self._more(answers),
        }

    def _more(self, answers: Sequence[LabelAnswer]) -> dict[str, Any]:
        """What the answer options ask for beside."""
        found: dict[str, Any] = {}
        if self.answer_options.lists_scores:
            found["scores"] = [
                [self._entry(item.index, item.confidence) for item in answer.scores or ()] for answer in answers
            ]
        if self.answer_options.abstain_below is not None:
            found["abstained"] = [answer.abstained for answer in answers]
        return found

    def _entry(self, index: int, probability: float) -> dict[str, Any]:
        return {
            "label": index,
            "label_id": self.labels[index],
            "label_name": self.shown_names[index],
            "confidence": round(probability, 6),
        }

    def answer_arrays(self, answers: Sequence[LabelAnswer]) -> list[np.ndarray]:
        """Index, probability and name of each label."""
        rows = [(answer.index, answer.confidence, str(answer.name).encode()) for answer in answers]
        return arrays_of(rows, self.ensemble.answers)
