"""Latency of several models on the same texts, in turns: batches of 1 and 32 rows, on one thread and on all."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ernie_toolkit.bundle import Bundle, read_bundle
from ernie_toolkit.clue_benchmark.drawn_models import DrawnModel
from ernie_toolkit.compression.report.measurement import significant, take_turns
from ernie_toolkit.data import load_dataset
from ernie_toolkit.errors import ConfigError, ToolkitError
from ernie_toolkit.inference.engines.base import ENGINES, NO_CACHE, EngineOptions, Runtime
from ernie_toolkit.inference.engines.selection import Choice, is_installed, open_runtime
from ernie_toolkit.inference.processor import available_cores, check_precision, processor_name
from ernie_toolkit.text.dataset import Batch
from ernie_toolkit.text.features import encode, pad_batch
from ernie_toolkit.text.tokenization import load_tokenizer
from ernie_toolkit.training.records import versions

BATCH_SIZES = (1, 32)
ROWS, REPEATS, SECONDS = 64, 5, 4.0
# Texts are joined to this many times the tokens in characters: a word of Latin letters is one token or a few.
_CHARACTERS = 6


@dataclass(frozen=True)
class Point:
    """What was measured of one model in one engine.

    Attributes:
        model: Its name.
        engine: One of `ENGINES`.
        precision: What it computes in.
        batch_size: Rows of a batch.
        threads: Threads that compute it.
        latency_ms: Median over batches and turns, of a whole batch.
        first_quartile_ms: Of the same.
        third_quartile_ms: Of the same.
        quality: The model's, a share from 0 to 1.
        parameters: The number of its weights; None: not known.
        compressed: See `DrawnModel`.
    """

    model: str
    engine: str
    precision: str
    batch_size: int
    threads: int
    latency_ms: float
    first_quartile_ms: float
    third_quartile_ms: float
    quality: float
    parameters: int | None
    compressed: bool


def iflytek_texts(data_dir: str, data_source: str, length: int) -> tuple[list[str], str]:
    """Texts of IFLYTEK's dev split that fill so many tokens, and where they are from; short ones are joined.

    Args:
        data_dir: The directory of its files; empty: PaddleNLP's cache.
        data_source: "official" or "sample".
        length: Tokens of a row.

    Raises:
        DataError: Where the files are not there.
    """
    source = "auto" if data_dir else data_source
    data = load_dataset("iflytek", data_dir=data_dir or None, data_source=source, splits=("dev",))
    sentences = [str(example["sentence"]) for example in data.split("dev")]
    texts, place = [], 0
    for _ in range(ROWS):
        text = ""
        while len(text) < _CHARACTERS * length:
            text += sentences[place % len(sentences)]
            place += 1
        texts.append(text)
    return texts, f"iflytek dev ({data.source})"


def measure_models(
    models: Sequence[DrawnModel], texts: Sequence[str], length: int, say: Callable[[str], None]
) -> list[Point]:
    """Open every model in each installed engine and measure all of them in turns.

    Args:
        models: The models.
        texts: Each at least so long that it fills a row.
        length: Tokens of a row.
        say: Gets a line for each engine or form that is left out.

    Raises:
        ConfigError: Where nothing can be measured.
        BundleError: Where a bundle cannot be opened.
    """
    for engine in ENGINES:
        if not is_installed(engine):
            say(f"{engine} is not installed: it is left out of the picture")
    found: list[Point] = []
    cores = available_cores()
    for threads in dict.fromkeys((1, cores)):
        sessions = dict(_opened(models, threads, say if threads == 1 else lambda _: None))
        if not sessions:
            raise ConfigError("no engine here opens any of the models: install onnxruntime")
        rows = {place: _rows(models[place], texts, length) for place in {place for place, _, _ in sessions}}
        for size in BATCH_SIZES:
            found += _measured(models, sessions, rows, size, threads)
    return found


Key = tuple[int, str, str]
"""A model's place, engine and precision."""


def _opened(models: Sequence[DrawnModel], threads: int, say: Callable[[str], None]) -> "list[tuple[Key, Runtime]]":
    options = EngineOptions(threads, spinning=False, cache=NO_CACHE)
    opened = []
    for place, model in enumerate(models):
        bundle = read_bundle(model.bundle)
        for engine, precision in (form for form in model.forms if is_installed(form[0])):
            try:
                check_precision(precision)
                runtime = open_runtime(bundle, Choice(engine, precision, "measured"), options)
            except ToolkitError as error:
                say(f"{model.name} in {engine} {precision} is left out of the picture: {error}")
                continue
            opened.append(((place, engine, precision), runtime))
    return opened


def _rows(model: DrawnModel, texts: Sequence[str], length: int) -> list[Batch]:
    """One batch of a row for each text, in the model's own tokens.

    Raises:
        ConfigError: Where a text does not fill its row, or the model reads no rows of this length.
    """
    bundle: Bundle = read_bundle(model.bundle)
    if bundle.info.max_seq_length < length:
        raise ConfigError(
            f"{model.bundle} reads {bundle.info.max_seq_length} tokens at most: give a smaller `max_seq_length`"
        )
    tokenizer = load_tokenizer(bundle.path("tokenizer"))
    features = encode(tokenizer, list(texts), length)
    if any(len(item) != length for item in features):
        raise ConfigError(
            f"{model.name}: a text of IFLYTEK does not fill {length} tokens: give a smaller `max_seq_length`"
        )
    return [pad_batch([item], tokenizer.special.pad) for item in features]


def _measured(
    models: Sequence[DrawnModel],
    sessions: dict[Key, Runtime],
    rows: dict[int, list[Batch]],
    size: int,
    threads: int,
) -> list[Point]:
    batches = {place: [_joined(own[at : at + size]) for at in range(0, len(own), size)] for place, own in rows.items()}
    count = min(len(next(iter(batches.values()))), 16)

    def run(key: Key) -> Callable[[int], object]:
        return lambda number: sessions[key](batches[key[0]][number])

    names = {f"{place} {engine} {precision}": (place, engine, precision) for place, engine, precision in sessions}
    seconds = take_turns({name: run(key) for name, key in names.items()}, range(count), REPEATS, SECONDS)
    points = []
    for name, (place, engine, precision) in names.items():
        model, taken = models[place], 1000 * seconds[name]
        first, middle, third = (significant(float(value)) for value in np.quantile(taken, (0.25, 0.5, 0.75)))
        points.append(
            Point(
                model.name,
                engine,
                precision,
                size,
                threads,
                middle,
                first,
                third,
                model.quality,
                model.parameters,
                model.compressed,
            )
        )
    return points


def _joined(rows: Sequence[Batch]) -> Batch:
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def as_record(points: Sequence[Point], sets: Sequence[str], texts: str, length: int) -> dict[str, Any]:
    """What was measured, as JSON, with what it was measured on.

    Args:
        points: What was measured.
        sets: The data sets that quality is of.
        texts: Where the texts are from.
        length: Tokens of a row.
    """
    return {
        "quality_of": list(sets),
        "texts": texts,
        "tokens": length,
        "processor": processor_name(),
        "processors": available_cores(),
        "versions": versions(),
        "how": "median of each batch in turns: all models and engines of one thread count take turns at each batch",
        "points": [asdict(point) for point in points],
    }


def default_picture(results: Path) -> Path:
    """The picture's path where none is given."""
    return results / "quality_latency.png"
