"""Predict a corpus: find its files, share their chunks among workers, write the answers in the rows' order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Protocol

import ernie_toolkit
from ernie_toolkit.bundle import BUNDLE_FILE, Bundle
from ernie_toolkit.console import notice, print_line, say, warn
from ernie_toolkit.corpus.chunks import ChunkSource, Result
from ernie_toolkit.corpus.cluster import RayWorkers
from ernie_toolkit.corpus.inputs import check_output, find_inputs
from ernie_toolkit.corpus.journal import Journal
from ernie_toolkit.corpus.layout import layout_of
from ernie_toolkit.corpus.options import CorpusOptions
from ernie_toolkit.corpus.processes import LocalWorkers
from ernie_toolkit.corpus.progress import CorpusProgress
from ernie_toolkit.corpus.rows import Layout
from ernie_toolkit.corpus.worker import WorkerSettings
from ernie_toolkit.errors import DataError
from ernie_toolkit.files import sha256_of
from ernie_toolkit.inference.engines.selection import choose
from ernie_toolkit.inference.predictor import limited
from ernie_toolkit.inference.processor import available_cores
from ernie_toolkit.ray_cluster import check_address, check_ray

SHOWN_REASONS = 3
"""Rows without an answer that are reported one by one, of each file."""


class Executor(Protocol):
    """What predicts chunks: processes of this machine, or actors of Ray."""

    def results(self, source: ChunkSource) -> Iterator[Result]:
        """Yield the result of each chunk, in order."""


_COUNTS = ("answered", "bad", "blank", "cut")
MakeExecutor = Callable[[WorkerSettings], Executor]


@dataclass(frozen=True)
class Summary:
    """What a run has done, earlier parts of it included.

    Attributes:
        rows: Rows with an answer.
        bad: Rows without one.
        blank: Blank lines.
        cut: Inputs of the model that were longer than it reads.
        files: How many inputs there are.
        rows_per_second: How many rows this part of the run has answered a second.
    """

    rows: int
    bad: int
    blank: int
    cut: int
    files: int
    rows_per_second: float


def predict_corpus(bundle: Bundle, options: CorpusOptions, executor: MakeExecutor | None = None) -> Summary:
    """Predict files of any size, and write a file of answers for each.

    Args:
        bundle: The model.
        options: The files, and how they are predicted.
        executor: Makes what predicts the chunks; None: processes of this machine, or actors of Ray at `ray_address`.

    Raises:
        ConfigError: On options that do not fit, and on an output directory that cannot be used.
        DataError: On a file that cannot be read.
        ToolkitError: Where more rows cannot be read than `max_bad_rows`, and where workers end again and again.
    """
    limited(bundle.info, options.max_seq_length, None)
    output = Path(options.output)
    files, notices = find_inputs(options.input)
    check_output(output, files)
    executor = executor or _executor(options)
    layouts = []
    for file in files:
        layout, found = layout_of(file, bundle.info, options.reading, options.answer_prefix)
        layouts.append(layout)
        notices += found
    choice = choose(bundle, options.engine, options.precision)
    settings = WorkerSettings(
        str(bundle.directory.resolve()),
        sha256_of(bundle.directory / BUNDLE_FILE),
        choice.engine,
        choice.precision,
        tuple(layouts),
        options.batch_size,
        options.max_seq_length,
        options.engine_cache,
        options.verify,
    )
    journal = Journal(output, tuple(files), _manifest(settings, options))
    try:
        resumed = journal.open(options.resume, options.overwrite)
        notice(*notices)
        warn(*bundle.info.warnings)
        _say_layouts(layouts)
        print_line(f"engine: {choice}")
        if options.resume:
            done = sum(state.answered + state.bad for state in journal.states)
            say(f"resumed: {done:,} row(s) are done already" if resumed else "nothing to resume: starts anew")
        return _predict(executor(settings), journal, layouts, options)
    finally:
        journal.close()


def _executor(options: CorpusOptions) -> MakeExecutor:
    """What makes the executor: of Ray where an address is given, after a look whether it is installed."""
    if options.ray_address is None:
        return lambda settings: LocalWorkers(settings, options.workers or available_cores())
    check_ray("leave `ray_address` out")
    check_address(options.ray_address)
    address = options.ray_address
    return lambda settings: RayWorkers(settings, options.workers, address)


def _manifest(settings: WorkerSettings, options: CorpusOptions) -> dict[str, Any]:
    """What has to be the same for the answers to be the same, byte for byte."""
    files = [layout.file for layout in settings.layouts]
    return {
        "toolkit": ernie_toolkit.__version__,
        "bundle": {"directory": settings.bundle, "sha256": settings.bundle_sha256},
        "options": {
            "engine": settings.engine,
            "precision": settings.precision,
            "batch_size": options.batch_size,
            "max_seq_length": options.max_seq_length,
            "chunk_rows": options.chunk_rows,
            "answer_prefix": options.answer_prefix,
            "encoding": options.reading.encoding,
            "text_column": options.reading.text_column,
            "text_pair_column": options.reading.text_pair_column,
        },
        "inputs": [
            {
                "path": str(file.path.resolve()),
                "size": file.size,
                "mtime_ns": file.mtime_ns,
                "output": file.output_name,
                "read_as": layout.described,
            }
            for file, layout in zip(files, settings.layouts)
        ],
    }


def _say_layouts(layouts: list[Layout]) -> None:
    """How the files are read, a line for each way."""
    ways: dict[str, list[Layout]] = {}
    for layout in layouts:
        ways.setdefault(layout.described, []).append(layout)
    for described, same in ways.items():
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        say(f"read {same[0].file.path}{more}: {described}")


def _predict(executor: Executor, journal: Journal, layouts: list[Layout], options: CorpusOptions) -> Summary:
    done = {place: None if state.last else state.records for place, state in enumerate(journal.states)}
    source = ChunkSource(tuple(layouts), options.chunk_rows, done)
    total = sum(layout.file.size for layout in layouts)
    reached = [layout.file.size if state.last else state.end for layout, state in zip(layouts, journal.states)]
    bytes_done = sum(reached)
    progress = CorpusProgress(total, bytes_done)
    finished = all(state.last for state in journal.states)
    for result in () if finished else executor.results(source):
        shown = journal.states[result.file].bad
        journal.commit(result)
        for reason in result.reasons[: max(SHOWN_REASONS - shown, 0)]:
            progress.clear()
            warn(f"no answer: {reason}")
        place = layouts[result.file].file.size if result.last else result.end
        bytes_done += place - reached[result.file]
        reached[result.file] = place
        progress.advance(result.answered + result.bad, bytes_done)
        _check_bad_rows(journal, options.max_bad_rows, result)
    progress.clear()
    left = next((layout for layout, state in zip(layouts, journal.states) if not state.last), None)
    if left is not None:
        raise DataError(f"{left.file.path}: its last rows were not predicted: continue with `resume`")
    return _summary(journal, layouts, options, progress)


def _check_bad_rows(journal: Journal, most: int | None, result: Result) -> None:
    if most is None or not result.bad:
        return
    bad = sum(state.bad for state in journal.states)
    if bad > most:
        raise DataError(
            f"{bad:,} row(s) cannot be read, and `max_bad_rows` is {most:,}, the last: {result.reasons[-1]}: mend them "
            "and start anew with `overwrite`, or continue with `resume` and a larger number"
        )


def _summary(journal: Journal, layouts: list[Layout], options: CorpusOptions, progress: CorpusProgress) -> Summary:
    states = journal.states
    rows, bad, blank, cut = (sum(getattr(state, name) for state in states) for name in _COUNTS)
    found = [layout.file.bad_name for layout, state in zip(layouts, states) if state.bad]
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        warn(
            f"{bad:,} row(s) have no answer: they are in {Path(options.output) / found[0]}{more}, each with the reason"
        )
    if blank:
        notice(f"{blank:,} blank line(s) are left out")
    if cut:
        notice(f"{cut:,} input(s) are longer than the model reads: their ends were cut")
    print_line(
        f"{rows:,} rows, {bad:,} bad rows, {progress.speed:,.1f} rows/s, {len(layouts):,} file(s) in {options.output}"
    )
    return Summary(rows, bad, blank, cut, len(layouts), progress.speed)
