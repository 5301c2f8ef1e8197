"""What one process does: chunks in, answers as JSON lines out, by a predictor of one thread."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import BUNDLE_FILE, Bundle, read_bundle
from ernie_toolkit.compat import strict_zip
from ernie_toolkit.console import with_flags
from ernie_toolkit.corpus.chunks import Chunk, Result
from ernie_toolkit.corpus.lines import Record
from ernie_toolkit.corpus.rows import Layout, read_row
from ernie_toolkit.decoding import Answer
from ernie_toolkit.errors import BundleError, DataError, ToolkitError
from ernie_toolkit.files import sha256_of
from ernie_toolkit.inference.predictor import Predictor
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.text.features import TextInput
from ernie_toolkit.text.tokenization import PARALLELISM


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker needs to know.

    Attributes:
        bundle: The bundle's directory, which every machine has under the same path.
        bundle_sha256: The checksum of its `bundle.json`.
        engine: The engine, chosen already.
        precision: The precision, chosen already.
        layouts: How each file is read.
        batch_size: Rows that are computed at once.
        max_seq_length: The longest sequence in tokens; None: the bundle's own.
        engine_cache: Where compiled models are kept (see `EngineOptions.cache`).
        verify: Whether the bundle's checksums are compared.
    """

    bundle: str
    bundle_sha256: str
    engine: str
    precision: str
    layouts: tuple[Layout, ...]
    batch_size: int = 32
    max_seq_length: int | None = None
    engine_cache: str | None = None
    verify: bool = True


@dataclass(frozen=True)
class Failure:
    """Why a worker could not answer a chunk.

    Attributes:
        message: The error's message, or the traceback of a defect.
        expected: Whether it is one that the user can correct.
    """

    message: str
    expected: bool

    def error(self) -> Exception:
        """The error to raise in the process of the user."""
        return ToolkitError(self.message) if self.expected else RuntimeError(self.message)


class ChunkPredictor:
    """Answers chunks; the predictor is opened with the first one.

    Args:
        settings: What it needs to know.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self._predictor: Predictor | None = None

    def __call__(self, chunk: Chunk) -> Result | Failure:
        """The answers to a chunk, or why there are none."""
        try:
            return self._answer(chunk)
        except ToolkitError as error:
            return Failure(str(error), True)
        except Exception:
            return Failure(traceback.format_exc(), False)

    def _opened(self) -> Predictor:
        if self._predictor is None:
            # One thread computes, so one tokenizes: the others are those of the other workers.
            os.environ[PARALLELISM] = "false"
            settings = self.settings
            self._predictor = Predictor(
                _same_bundle(settings),
                num_threads=1,
                precision=settings.precision,
                max_seq_length=settings.max_seq_length,
                engine=settings.engine,
                engine_cache=settings.engine_cache,
            )
        return self._predictor

    def _answer(self, chunk: Chunk) -> Result:
        predictor, layout = self._opened(), self.settings.layouts[chunk.file]
        info = predictor.bundle.info
        names = tuple(layout.prefix + name for name in TASKS[info.task].answer.FIELDS)
        found: list[tuple[int, TextInput, str]] = []
        faults: dict[int, str] = {}
        rows = [(place, record) for place, record in enumerate(chunk.records) if record.value is not None]
        for place, record in rows:
            try:
                found.append((place, *read_row(layout, record, info.text_format, names)))
            except DataError as error:
                faults[place] = str(error)
        answers, cut = self._predicted(predictor, found, faults)
        lines = [
            _joined(start, {layout.prefix + name: value for name, value in answer.fields().items()})
            for (place, _, start), answer in strict_zip([row for row in found if row[0] not in faults], answers)
        ]
        ordered = sorted(faults)
        return Result(
            chunk.number,
            chunk.file,
            len(chunk.records),
            len(lines),
            len(chunk.records) - len(rows),
            cut,
            "".join(lines).encode("utf-8"),
            b"".join(_bad_line(layout, chunk.records[place], faults[place]) for place in ordered),
            tuple(faults[place] for place in ordered),
            chunk.end,
            chunk.last,
        )

    def _predicted(
        self, predictor: Predictor, found: Sequence[tuple[int, TextInput, str]], faults: dict[int, str]
    ) -> tuple[Sequence[Answer], int]:
        """Answers to the inputs, and how many were cut; those that the model cannot take become faults."""
        if not found:
            return [], 0
        try:
            return self._decoded(predictor, [given for _, given, _ in found])
        except DataError:
            for place, given, _ in found:
                try:
                    predictor.task.encode(predictor.tokenizer, [given])
                except DataError as error:
                    faults[place] = str(error)
            left = [given for place, given, _ in found if place not in faults]
            return self._decoded(predictor, left) if left else ([], 0)

    def _decoded(self, predictor: Predictor, inputs: list[TextInput]) -> tuple[Sequence[Answer], int]:
        """As `Predictor.predict`, and how many inputs were cut."""
        rows = predictor.task.encode(predictor.tokenizer, inputs)
        answers = predictor.task.decode(rows, predictor.run(rows, self.settings.batch_size), inputs)
        return answers, rows.cut_rows or 0


def _same_bundle(settings: WorkerSettings) -> Bundle:
    bundle = read_bundle(settings.bundle, settings.verify)
    if sha256_of(Path(settings.bundle) / BUNDLE_FILE) != settings.bundle_sha256:
        raise BundleError(
            f"{settings.bundle} is another bundle here than where the run began: give every machine the same"
        )
    return bundle


def _joined(start: str, fields: dict[str, Any]) -> str:
    separator = ", " if start != "{" else ""
    return f"{start}{separator}{json.dumps(fields, ensure_ascii=False)[1:]}\n"


def _bad_line(layout: Layout, record: Record, reason: str) -> bytes:
    fields = {
        "path": str(layout.file.path),
        "line": record.line,
        "reason": with_flags(reason),
        "row": record.value,
    }
    # Half characters, which JSON can spell and UTF-8 not, stay escapes.
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
