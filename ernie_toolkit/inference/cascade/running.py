"""What a cascade does with rows: each part computes those that the parts before it are unsure of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ernie_toolkit.bundle.cascade import CascadeInfo
from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding import Answer, AnswerOptions
from ernie_toolkit.inference.cascade.confidence import confidences
from ernie_toolkit.inference.engines.selection import Choice
from ernie_toolkit.tasks import Task
from ernie_toolkit.text.dataset import Batch, EncodedDataset, Outputs
from ernie_toolkit.text.features import TextInput, Texts
from ernie_toolkit.text.tokenization import WordPieceTokenizer

if TYPE_CHECKING:
    from ernie_toolkit.inference.predictor import BundlePredictor


@dataclass(frozen=True)
class PartTasks:
    """The task of a bundle, or those of a cascade's parts, which differ in thresholds and names of labels at most.

    Attributes:
        tasks: One, or one for each part of a cascade; the logits of a cascade have the part's number, from 0, as one
            more column.
    """

    tasks: tuple[Task, ...]

    @property
    def max_seq_length(self) -> int:
        """The longest sequence in tokens."""
        return self.tasks[0].max_seq_length

    def answering(self, options: AnswerOptions) -> PartTasks:
        """As `Task.answering`, of each part; which part answers does not depend on it.

        Args:
            options: What is asked of the answers.

        Raises:
            ConfigError: As `Task.answering`.
        """
        return PartTasks(tuple(task.answering(options) for task in self.tasks))

    def least_rows(self, inputs: Sequence[TextInput]) -> int:
        """As `Task.least_rows`."""
        return self.tasks[0].least_rows(inputs)

    def encode(self, tokenizer: WordPieceTokenizer, inputs: Texts) -> EncodedDataset:
        """As `Task.encode`: the parts share their tokenizer.

        Args:
            tokenizer: The tokenizer of all parts.
            inputs: As `as_inputs` takes them.
        """
        return self.tasks[0].encode(tokenizer, inputs)

    def decode(self, rows: EncodedDataset, logits: Outputs, inputs: Sequence[TextInput]) -> list[Answer]:
        """As `Task.decode`, each row by the task of the part that answered it.

        Args:
            rows: Of `encode`.
            logits: Those of `rows`; of a cascade, as `Cascade.run` gives them.
            inputs: The inputs that `rows` were encoded from.
        """
        if len(self.tasks) == 1:
            return list(self.tasks[0].decode(rows, logits, inputs))
        answers: dict[int, Answer] = {}
        for task, places, part in self._split(logits):
            found = task.decode(rows.subset(places), part, [inputs[place] for place in places])
            answers.update(strict_zip(places, found))
        return [answers[place] for place in range(len(rows))]

    def service_result(
        self,
        inputs: Sequence[TextInput],
        answers: Sequence[Any],
        logits: Outputs,
        words: Sequence[Sequence[str] | None],
    ) -> dict[str, Any]:
        """As `Task.service_result`, each answer by the task of the part that gave it.

        Args:
            inputs: The texts or pairs of the request.
            answers: Their answers, of `decode`.
            logits: Those that `decode` got.
            words: For each input the words that it came split into, or None; empty where none did.
        """
        if len(self.tasks) == 1:
            return self.tasks[0].service_result(inputs, answers, logits, words)
        result: dict[str, list[Any]] = {}
        for task, places, part in self._split(logits):
            shown = task.service_result(
                [inputs[place] for place in places],
                [answers[place] for place in places],
                part,
                [words[place] for place in places] if words else [],
            )
            for name, values in shown.items():
                entries = result.setdefault(name, [None] * len(inputs))
                for place, value in strict_zip(places, values):
                    entries[place] = value
        return result

    def _split(self, logits: Outputs) -> list[tuple[Task, list[int], Outputs]]:
        """Each task with the rows that its part answered, and their logits."""
        values, answering = unmarked(logits)
        found: list[tuple[Task, list[int], Outputs]] = []
        for number, task in enumerate(self.tasks):
            places = np.flatnonzero(answering == number).tolist()
            if places:
                found.append((task, places, cast(Outputs, values[places])))
        return found


def unmarked(logits: Outputs) -> tuple[np.ndarray, np.ndarray]:
    """The logits of a cascade, float32 of shape (rows, classes), and the number of each row's part, from 0.

    Args:
        logits: Of `Cascade.run`.
    """
    table = np.asarray(logits, dtype=np.float32)
    if not len(table):
        return table.reshape(0, 0), np.zeros(0, dtype=np.int64)
    return table[:, :-1], table[:, -1].astype(np.int64)


class Cascade:
    """The parts of a cascade, ready to compute; may be used by several threads at once.

    Args:
        info: What the cascade's `bundle.json` says.
        parts: A predictor of each part.
        choices: The engine and the precision of each part, and why.
        on_rows: Is called with a part's name and how many rows it has answered, for each batch.
    """

    def __init__(
        self,
        info: CascadeInfo,
        parts: Sequence[BundlePredictor],
        choices: Sequence[Choice],
        on_rows: Callable[[str, int], None] = lambda name, rows: None,
    ) -> None:
        self.info, self.parts, self.choices, self.on_rows = info, tuple(parts), tuple(choices), on_rows
        self._answered = [0] * len(self.parts)
        self._lock = threading.Lock()

    @property
    def choice(self) -> Choice:
        """The engines and precisions of all parts, in their order, as one choice for those who print it."""
        reasons = (
            f"{part.name}: {choice.engine} {choice.precision}, {choice.reason}"
            for part, choice in strict_zip(self.info.parts, self.choices)
        )
        engines = dict.fromkeys(choice.engine for choice in self.choices)
        precisions = dict.fromkeys(choice.precision for choice in self.choices)
        return Choice("+".join(engines), "+".join(precisions), "cascade, " + "; ".join(reasons))

    @property
    def answered(self) -> dict[str, int]:
        """How many rows each part has answered so far, by its name."""
        with self._lock:
            return dict(strict_zip([part.name for part in self.info.parts], self._answered))

    def run(self, rows: EncodedDataset, batch_size: int) -> Outputs:
        """The logits of each row by the part that answers it, and that part's number as one more column.

        The rows that a part is unsure of are put into batches by length anew, all at once.

        Args:
            rows: Model inputs, of the task's `encode`.
            batch_size: Rows that are computed at once.

        Returns:
            float32 of shape (rows, classes + 1) (see `unmarked`); an empty list for no rows.
        """
        if not len(rows):
            return []
        plain = EncodedDataset(rows.features, rows.pad_id)
        logits, answering = self._through(
            len(rows), lambda number, places: self.parts[number].run(plain.subset(places), batch_size)
        )
        marked = np.concatenate([logits, answering[:, None].astype(np.float32)], axis=1)
        return cast(Outputs, marked)

    def __call__(self, batch: Batch) -> Sequence[np.ndarray]:
        """The logits of a batch, as a runtime gives them: one float32 array of shape (rows, classes)."""

        def compute(number: int, places: list[int]) -> Outputs:
            part = {name: array[places] for name, array in batch.items()}
            return cast(Outputs, self.parts[number].compute(part)[0])

        return [self._through(len(batch["input_ids"]), compute)[0]]

    def _through(self, count: int, compute: Callable[[int, list[int]], Outputs]) -> tuple[np.ndarray, np.ndarray]:
        """Logits of all rows, and the number of the part that answers each."""
        answering = np.zeros(count, dtype=np.int64)
        pending = np.arange(count)
        logits: np.ndarray | None = None
        for number, (part, entry) in enumerate(strict_zip(self.parts, self.info.parts)):
            found = np.asarray(compute(number, pending.tolist()), dtype=np.float32)
            logits = found.copy() if logits is None else logits
            logits[pending], answering[pending] = found, number
            left = pending[:0]
            if number + 1 < len(self.parts):
                sure = confidences(found, part.task, self.info.confidence, entry.temperature) >= entry.threshold
                left = pending[~sure]
            self._count(number, len(pending) - len(left))
            pending = left
            if not len(pending):
                break
        assert logits is not None, "a cascade has parts"
        return logits, answering

    def _count(self, number: int, rows: int) -> None:
        if rows:
            with self._lock:
                self._answered[number] += rows
            self.on_rows(self.info.parts[number].name, rows)
