"""A tag for every character of a text, and the entities that the tags make."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, ClassVar, cast

import numpy as np

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding import NO_OPTIONS, Answer, AnswerOptions, TaggedText, decode_tags, entity_spans
from ernie_toolkit.files.parsing import decode_json
from ernie_toolkit.metrics import entity_scores
from ernie_toolkit.tasks.base import Ensemble, Example, Task, TaskSettings, Tensor, arrays_of, cross_entropy
from ernie_toolkit.text.dataset import IGNORED, EncodedDataset, Outputs
from ernie_toolkit.text.features import TextInput, Texts
from ernie_toolkit.text.tokenization import WordPieceTokenizer
from ernie_toolkit.text.windows import Window, kept_ranges, least_tokens, least_windows, text_windows

WINDOW_OVERLAP = 32


@dataclass(frozen=True)
class TokenClassification(Task):
    """Text to tags and entities; a text of more than `max_seq_length` tokens is read in windows (see `Task`).

    Each token is answered for, and trained on, in the window where it stands nearer to the middle.

    Attributes:
        labels: BIO tags in the order of the logits.
        max_seq_length: The longest window in tokens.
        window_overlap: Tokens that neighbouring windows share, at most half of a window.
        text_format: How texts are read: "characters".
        answer_options: What is asked of the answers.
    """

    labels: tuple[str, ...]
    max_seq_length: int
    window_overlap: int = WINDOW_OVERLAP
    text_format: str = "characters"
    label_names: tuple[str, ...] | None = field(default=None, init=False)
    answer_options: AnswerOptions = NO_OPTIONS

    name: ClassVar[str] = "token_cls"
    title: ClassVar[tuple[str, str]] = ("命名实体识别", "named entities")
    script: ClassVar[str] = "run_token_cls.py"
    config_section: ClassVar[str | None] = "TokenClassification"
    metrics: ClassVar[tuple[str, ...]] = ("f1", "precision", "recall", "loss")
    answer: ClassVar[type[Answer]] = TaggedText
    ANSWER_OPTIONS: ClassVar[Mapping[str, tuple[str, ...]]] = {"min_confidence": ()}
    head: ClassVar[str] = "token"
    data_form: ClassVar[str] = "tags"
    LIMITS: ClassVar[tuple[str, ...]] = ("window_overlap",)
    model_path: ClassVar[str] = "best_models/msra_ner/export"
    service_path: ClassVar[str] = "models/ernie_ner"
    # One JSON list of entities: "pos" (first and last character), "label", "entity", "confidence".
    ensemble: ClassVar[Ensemble] = Ensemble("ernie_tokencls", (Tensor("OUTPUT", "STRING"),))
    accepts_words: ClassVar[bool] = True
    default_text_format: ClassVar[str] = "characters"
    examples: ClassVar[Mapping[str, Sequence[TextInput]]] = {
        "characters": ["记者在枫坪村见到了56岁的教师秦昭岫。", "白埠市师范学院聘请凯鑫科技公司的叶明舟担任顾问。"]
    }

    @classmethod
    def make(cls, settings: TaskSettings) -> TokenClassification:
        """The task for these tags."""
        overlap = settings.limits.get("window_overlap", WINDOW_OVERLAP)
        return cls(settings.labels, settings.max_seq_length, overlap, settings.text_format)

    def encode(self, tokenizer: WordPieceTokenizer, inputs: Texts) -> EncodedDataset:
        """One row for each window, those of a text next to each other."""
        windows = text_windows(tokenizer, inputs, self.max_seq_length, self.window_overlap)
        return EncodedDataset(windows, tokenizer.special.pad)

    def with_targets(self, rows: EncodedDataset, examples: Sequence[Example]) -> EncodedDataset:
        """`labels`: for each window int64 of shape (tokens,), the tag of each token's first character.

        Special tokens, and those that count in another window, are `IGNORED`.
        """
        ids = {label: index for index, label in enumerate(self.labels)}
        tags = [np.array([ids[tag] for tag in example["labels"]], dtype=np.int64) for example in examples]
        windows = cast("Sequence[Window]", rows.features)
        targets = []
        for window, (start, end) in strict_zip(windows, kept_ranges(windows)):
            target = np.full(len(window), IGNORED, dtype=np.int64)
            target[window.place][start:end] = tags[window.source][window.offsets[start:end, 0]]
            targets.append(target)
        return replace(rows, targets={"labels": targets})

    def decode(self, rows: EncodedDataset, logits: Outputs, inputs: Sequence[TextInput]) -> list[TaggedText]:
        """Tags and entities of each text, its windows joined."""
        windows = cast("Sequence[Window]", rows.features)
        parts = strict_zip(windows, kept_ranges(windows), logits)
        answers = []
        for source, group in groupby(parts, key=lambda part: part[0].source):
            kept = [
                (window.offsets[start:end], values[window.place][start:end]) for window, (start, end), values in group
            ]
            offsets, values = (np.concatenate(arrays) for arrays in strict_zip(*kept))
            answers.append(decode_tags(values, offsets, str(inputs[source]), self.labels, self.answer_options))
        return answers

    def score(
        self,
        rows: EncodedDataset,
        logits: Outputs,
        examples: Sequence[Example],
        answers: Sequence[Any] | None = None,
    ) -> dict[str, float]:
        """Precision, recall and F1 of entities, overall and as "TYPE/f1", and the loss over tokens."""
        answers = self.decode(rows, logits, self.inputs(examples)) if answers is None else answers
        overall, by_type = entity_scores(
            [entity_spans(example["labels"]) for example in examples], [entity_spans(answer.tags) for answer in answers]
        )
        metrics = {name: getattr(overall, name) for name in ("precision", "recall", "f1")}
        targets = np.concatenate(list(rows.targets["labels"]))
        counted = targets != IGNORED
        metrics["loss"] = cross_entropy(np.concatenate(list(logits))[counted], targets[counted])
        for kind, scores in by_type.items():
            for name in ("precision", "recall", "f1", "support"):
                metrics[f"{kind}/{name}"] = float(getattr(scores, name))
        return metrics

    def least_rows(self, inputs: Sequence[TextInput]) -> int:
        """Exactly as many as `encode` makes, for texts of ideographs alone; else no more."""
        room = self.max_seq_length - 2
        return sum(least_windows(least_tokens(str(text)), room, self.window_overlap) for text in inputs)

    def service_result(
        self,
        inputs: Sequence[TextInput],
        answers: Sequence[TaggedText],
        logits: Sequence[np.ndarray],
        words: Sequence[Sequence[str] | None],
    ) -> dict[str, Any]:
        """`value`: the entities of each text. `tokens_label`: the tag's index of each character, or of each word."""
        indices = {label: index for index, label in enumerate(self.labels)}
        parts = [answer.word_tags(split) for answer, split in strict_zip(answers, words or (None,) * len(answers))]
        return {
            "value": [entities for entities, _ in parts],
            "tokens_label": [[indices[tag] for tag in tags] for _, tags in parts],
        }

    def answer_arrays(self, answers: Sequence[TaggedText]) -> list[np.ndarray]:
        """A JSON list of the entities of each text."""
        rows = [(json.dumps(answer.word_tags(None)[0], ensure_ascii=False).encode(),) for answer in answers]
        return arrays_of(rows, self.ensemble.answers)

    @classmethod
    def answer_fields(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The entities, without the tags."""
        entities = [
            {
                "text": item["entity"],
                "type": item["label"],
                "start": item["pos"][0],
                "end": item["pos"][1] + 1,
                "confidence": item["confidence"],
            }
            for item in decode_json(values["OUTPUT"])
        ]
        return {"entities": entities}
