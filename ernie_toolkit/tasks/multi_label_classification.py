"""Any number of labels for a text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np

from ernie_toolkit.decoding import (
    NO_OPTIONS,
    Answer,
    AnswerOptions,
    LabelSetAnswer,
    decode_label_sets,
    label_sets,
    sigmoid,
)
from ernie_toolkit.decoding.label_sets import THRESHOLD, moved_thresholds
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.parsing import decode_json
from ernie_toolkit.formats.ranges import SHARE
from ernie_toolkit.metrics import label_set_scores
from ernie_toolkit.tasks.base import (
    TOP_LABELS,
    Ensemble,
    Example,
    RequestParameter,
    Task,
    TaskSettings,
    Tensor,
    logits_table,
)
from ernie_toolkit.text.dataset import EncodedDataset, Outputs
from ernie_toolkit.text.features import TextInput, Texts, encode_counting_cuts
from ernie_toolkit.text.tokenization import WordPieceTokenizer

# A set has as many columns as the largest one of the request's texts has labels, at least one; -1 (of probability 0)
# fills up the others. Names are a JSON list in one string.
NO_LABEL = -1


@dataclass(frozen=True)
class MultiLabelClassification(Task):
    """Text to the labels that it has; what is longer than `max_seq_length` tokens is cut off (see `Task`).

    Attributes:
        labels: Label identifiers in the order of the logits.
        max_seq_length: The longest sequence in tokens.
        thresholds: The probability, at temperature 1, that each label has to be above; empty: 0.5 for all.
        label_names: Readable names in the labels' order, or None.
        text_format: How texts are read, one of `TEXT_FORMATS`.
        temperature: What logits are divided by for probabilities.
        answer_options: What is asked of the answers.

    Raises:
        ConfigError: On thresholds that are not one for each label, or not from 0 to 1.
    """

    labels: tuple[str, ...]
    max_seq_length: int
    thresholds: tuple[float, ...] = ()
    label_names: tuple[str, ...] | None = None
    text_format: str = "sentence"
    temperature: float = 1.0
    answer_options: AnswerOptions = NO_OPTIONS

    name: ClassVar[str] = "multi_label"
    title: ClassVar[tuple[str, str]] = ("多标签分类", "multi-label classification")
    script: ClassVar[str] = "multi_label/train.py"
    metrics: ClassVar[tuple[str, ...]] = ("macro_f1", "micro_f1", "accuracy", "loss")
    answer: ClassVar[type[Answer]] = LabelSetAnswer
    ANSWER_OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "all_scores": ("scores",),
        "min_labels": (),
        "max_labels": (),
        "threshold": (),
        "abstain_below": ("set_confidence", "abstained"),
    }
    # As in transformers' configurations: distinguishes a head for sets of labels from one for a single label.
    problem_type: ClassVar[str | None] = "multi_label_classification"
    soft_loss: ClassVar[str] = "sets"
    data_form: ClassVar[str] = "label_sets"
    has_thresholds: ClassVar[bool] = True
    model_path: ClassVar[str] = "export"
    service_path: ClassVar[str] = "models/cls_multi_label"
    # The names of the models are those of PaddleNLP's guide.
    ensemble: ClassVar[Ensemble] = Ensemble(
        "seqcls",
        (Tensor("label", "INT64", (-1,)), Tensor("confidence", "FP32", (-1,)), Tensor("label_name", "STRING")),
        "tokenizer",
    )
    request_parameters: ClassVar[tuple[RequestParameter, ...]] = (
        RequestParameter("prob_limit", float, SHARE, "threshold", "probability that a label has to be above"),
    )
    examples: ClassVar[Mapping[str, Sequence[TextInput]]] = {
        "sentence": [
            "快递当天就到了，不过外盒压得变形。",
            "用料很精细，价格也比别家便宜；客服推来推去。",
            "这是给家里老人买的。",
        ]
    }

    def __post_init__(self) -> None:
        if len(self.thresholds) not in (0, len(self.labels)):
            raise ConfigError(f"{len(self.thresholds)} thresholds for {len(self.labels)} labels: give one for each")
        wrong = [value for value in self.thresholds if not 0 <= value <= 1]
        if wrong:
            raise ConfigError(f"a threshold is {wrong[0]}: it must lie between 0 and 1")

    @classmethod
    def make(cls, settings: TaskSettings) -> MultiLabelClassification:
        """The task for these labels and thresholds."""
        return cls(
            settings.labels,
            settings.max_seq_length,
            settings.thresholds,
            settings.label_names,
            settings.text_format,
            settings.temperature,
        )

    def answering(self, options: AnswerOptions) -> MultiLabelClassification:
        """As `Task.answering`; a threshold of the options is one of probabilities as answers show them."""
        if options.min_labels is not None and options.min_labels > len(self.labels):
            raise ConfigError(f"`min_labels` is {options.min_labels}, and the model has {len(self.labels)} labels")
        task = cast("MultiLabelClassification", super().answering(options))
        given = options.threshold
        if given is None:
            return task
        by_label = given if isinstance(given, Mapping) else dict.fromkeys(self.labels, given)
        unknown = next((label for label in by_label if label not in self.labels), None)
        if unknown is not None:
            raise ConfigError(
                f"`threshold` names {unknown!r:.60}, which is none of the model's {len(self.labels)} labels"
            )
        own = list(self.used_thresholds)
        for label, value in by_label.items():
            own[self.labels.index(label)] = float(moved_thresholds((value,), 1 / self.temperature)[0])
        return replace(task, thresholds=tuple(own))

    @property
    def shown_thresholds(self) -> tuple[float, ...]:
        """One for each label, in probabilities as answers show them."""
        if self.temperature == 1.0:
            return self.used_thresholds
        return tuple(round(value, 6) for value in moved_thresholds(self.used_thresholds, self.temperature).tolist())

    @property
    def used_thresholds(self) -> tuple[float, ...]:
        """One for each label."""
        return self.thresholds or (THRESHOLD,) * len(self.labels)

    def encode(self, tokenizer: WordPieceTokenizer, inputs: Texts) -> EncodedDataset:
        """One row for each text."""
        features, cuts = encode_counting_cuts(tokenizer, inputs, self.max_seq_length, self.text_format)
        return EncodedDataset(features, tokenizer.special.pad, cut_rows=cuts)

    def with_targets(self, rows: EncodedDataset, examples: Sequence[Example]) -> EncodedDataset:
        """`labels`: float32 of shape (rows, classes), 1 for the labels that a row has, 0 for the others."""
        return replace(rows, targets={"labels": self.gold(examples).astype(np.float32)})

    def gold(self, examples: Sequence[Example]) -> np.ndarray:
        """The labels of some examples: bool of shape (rows, classes)."""
        places = {label: index for index, label in enumerate(self.labels)}
        table = np.zeros((len(examples), len(self.labels)), dtype=bool)
        for row, example in enumerate(examples):
            table[row, [places[label] for label in example["labels"]]] = True
        return table

    def decode(self, rows: EncodedDataset, logits: Outputs, inputs: Sequence[TextInput]) -> list[LabelSetAnswer]:
        """The labels of each text, by the thresholds."""
        settings = (self.label_names, self.answer_options, self.temperature)
        return decode_label_sets(self.table(logits), self.labels, self.used_thresholds, *settings)

    def score(
        self,
        rows: EncodedDataset,
        logits: Outputs,
        examples: Sequence[Example],
        answers: Sequence[Any] | None = None,
    ) -> dict[str, float]:
        """Micro and macro metrics at the thresholds, the loss, and precision, recall and F1 of each label.

        Macro metrics are means over the labels that the examples or the answers have (see `label_set_scores`).
        """
        gold, table = self.gold(examples), self.table(logits)
        scores, labels = label_set_scores(gold, label_sets(sigmoid(table), self.used_thresholds))
        details = {
            f"{label}/{name}": float(labels[name][index])
            for index, label in enumerate(self.label_names or self.labels)
            for name in ("precision", "recall", "f1", "support")
        }
        return {**scores, "loss": binary_cross_entropy(table, gold), **details}

    def table(self, logits: Outputs) -> np.ndarray:
        """Logits as one float32 array of shape (rows, classes)."""
        return logits_table(logits, len(self.labels))

    def service_result(
        self,
        inputs: Sequence[TextInput],
        answers: Sequence[LabelSetAnswer],
        logits: Sequence[np.ndarray],
        words: Sequence[Sequence[str] | None],
    ) -> dict[str, Any]:
        """Lists of lists, in the labels' order; `top` has all labels of a text and the most probable others.

        Where asked for, `scores` (all labels, entries as in `top`), `set_confidence` and `abstained`.
        """
        found = [answer.fields() for answer in answers]
        return {
            "label": [None if answer.abstained else list(answer.indices) for answer in answers],
            "confidence": [item["confidences"] for item in found],
            "label_id": [item["labels"] for item in found],
            "label_name": [item["label_names"] for item in found],
            "top": [self._top(answer, TOP_LABELS) for answer in answers],
            **self._more(answers, found),
        }

    def _more(self, answers: Sequence[LabelSetAnswer], found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What the answer options ask for beside."""
        more: dict[str, Any] = {}
        if self.answer_options.lists_scores:
            more["scores"] = [self._top(answer, len(self.labels)) for answer in answers]
        if self.answer_options.abstain_below is not None:
            more["set_confidence"] = [item["set_confidence"] for item in found]
            more["abstained"] = [item["abstained"] for item in found]
        return more

    def _top(self, answer: LabelSetAnswer, count: int) -> list[dict[str, Any]]:
        order = sorted(range(len(self.labels)), key=lambda index: -answer.probabilities[index])
        return [
            {
                "label": index,
                "label_id": self.labels[index],
                "label_name": self.shown_names[index],
                "confidence": round(answer.probabilities[index], 6),
                "threshold": self.shown_thresholds[index],
                "chosen": index in answer.indices,
            }
            for place, index in enumerate(order)
            if place < count or index in answer.indices
        ]

    def answer_arrays(self, answers: Sequence[LabelSetAnswer]) -> list[np.ndarray]:
        """Indices (int64) and probabilities (float32) of shape (texts, largest set), and names of shape (texts, 1)."""
        widest = max(1, max(len(answer.indices) for answer in answers))
        indices = np.full((len(answers), widest), NO_LABEL, dtype=np.int64)
        confidences = np.zeros((len(answers), widest), dtype=np.float32)
        for row, answer in enumerate(answers):
            indices[row, : len(answer.indices)] = answer.indices
            confidences[row, : len(answer.indices)] = answer.confidences or ()
        names = [[json.dumps(answer.names or (), ensure_ascii=False).encode()] for answer in answers]
        return [indices, confidences, np.array(names, dtype=np.object_)]

    @classmethod
    def answer_fields(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The labels that the text has, without what fills up the arrays."""
        count = sum(label != NO_LABEL for label in values["label"])
        return {
            "labels": values["label"][:count],
            "label_names": decode_json(values["label_name"]),
            "confidences": values["confidence"][:count],
        }


def binary_cross_entropy(logits: np.ndarray, gold: np.ndarray) -> float:
    """Mean binary cross entropy in nats over all rows and classes.

    Args:
        logits: Floats of shape (rows, classes).
        gold: Bool of the same shape, whether a row has a label.
    """
    values = logits.astype(np.float64)
    return float((np.maximum(values, 0) - values * gold + np.log1p(np.exp(-np.abs(values)))).mean())
