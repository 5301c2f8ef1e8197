"""The benchmark's table: a row for each model, a column for each data set, and the average of CLUE's ten."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ernie_toolkit.clue_benchmark.grid import CLUE_DATASETS, FURTHER_DATASETS, MULTI_LABEL, task_of
from ernie_toolkit.clue_benchmark.selection import Group, best_group, read_results
from ernie_toolkit.clue_benchmark.trials import CELL_FILE, TRIAL_FILE, TRIALS, metric_of
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files import json_text
from ernie_toolkit.files.parsing import read_json_object
from ernie_toolkit.formats.escapes import markdown_text
from ernie_toolkit.tasks import TASKS

MISSING = "-"
AVERAGE = "AVG"
_REMEDY = "delete its directory, and run the grid search again"
_HEADINGS = {"micro_f1": "micro F1", "macro_f1": "macro F1", "f1": "F1", "accuracy": "accuracy"}


@dataclass(frozen=True)
class Score:
    """What a model has reached on a data set.

    Attributes:
        group: The best combination's trials, one for each seed.
        metrics: The metrics that are shown, the first counts for the average.
        finished: Trials of the cell that have finished.
        trials: Trials that its grid has.
        shared: What all of its trials share, as `cell.json` has it.
    """

    group: Group
    metrics: tuple[str, ...]
    finished: int
    trials: int
    shared: Mapping[str, Any]

    @property
    def value(self) -> float:
        """The mean over the seeds of the metric that counts, a share from 0 to 1."""
        return self.group.mean(self.metrics[0])

    @property
    def text(self) -> str:
        """As the table shows it, in hundredths, with the spread where there are several seeds."""
        parts = []
        for metric in self.metrics:
            spread = f"±{100 * self.group.spread(metric):.2f}" if len(self.group.results) > 1 else ""
            parts.append(f"{100 * self.group.mean(metric):.2f}{spread}")
        return "/".join(parts)


@dataclass(frozen=True)
class Row:
    """The scores of a model.

    Attributes:
        model: Its name.
        scores: By data set; those that are missing are not there.
    """

    model: str
    scores: Mapping[str, Score]

    @property
    def counted(self) -> list[float]:
        """The scores that the average is of, shares from 0 to 1: those of CLUE's data sets that are there."""
        return [self.scores[name].value for name in CLUE_DATASETS if name in self.scores]

    @property
    def average(self) -> float | None:
        """Their mean; None where there is none."""
        return fmean(self.counted) if self.counted else None

    @property
    def average_text(self) -> str:
        """As the table shows it: over how many data sets it is, where one is missing."""
        return average_text(self.counted)


def average_text(values: Sequence[float]) -> str:
    """An average in hundredths, with the number of data sets where it is not of all.

    Args:
        values: The scores of those of CLUE's data sets that are there, shares from 0 to 1.
    """
    if not values:
        return MISSING
    over = f" ({len(values)} of {len(CLUE_DATASETS)} sets)" if len(values) < len(CLUE_DATASETS) else ""
    return f"{100 * fmean(values):.2f}{over}"


def shown_metrics(dataset: str) -> tuple[str, ...]:
    """The metrics that tables show of a data set; the first one counts."""
    if dataset == MULTI_LABEL:
        return ("micro_f1", "macro_f1")
    task = task_of(dataset)
    return tuple(TASKS[task].published_metrics) or (metric_of(task),)


def heading(dataset: str) -> str:
    """The heading of a data set's column, with its metrics where they are not accuracy alone."""
    metrics, names = shown_metrics(dataset), TASKS[task_of(dataset)].published_metrics
    shown = "/".join(names.get(metric, _HEADINGS.get(metric, metric)) for metric in metrics)
    return dataset.upper() + ("" if metrics == ("accuracy",) else f" ({shown})")


def read_rows(results: Path) -> list[Row]:
    """The rows of all models in a directory of results, by name.

    Args:
        results: The output directory of a grid search.

    Raises:
        ConfigError: Where it holds no results.
        DataError: On a file in it that is malformed.
    """
    if not results.is_dir():
        raise ConfigError(f"{results}: no such directory: give the `output_dir` of a grid search")
    rows = []
    for model in sorted(path for path in results.iterdir() if path.is_dir()):
        found = {name: _score(model / name, name) for name in (*CLUE_DATASETS, *FURTHER_DATASETS)}
        scores = {name: score for name, score in found.items() if score is not None}
        if any((model / name / CELL_FILE).is_file() for name in found):
            rows.append(Row(model.name, scores))
    if not rows:
        raise ConfigError(f"{results}: no results in it: give the `output_dir` of a grid search")
    return rows


def _score(cell: Path, dataset: str) -> Score | None:
    if not (cell / CELL_FILE).is_file():
        return None
    shared = read_json_object(cell / CELL_FILE, DataError, _REMEDY)
    results = read_results(cell)
    group, metrics = best_group(results), shown_metrics(dataset)
    if group is None:
        return None
    for item in group.results:
        lacking = [name for name in metrics if name not in item.metrics]
        if lacking:
            raise DataError(f"{item.directory}: no metric {lacking[0]} in its record: {_REMEDY}")
    trials = len(list((cell / TRIALS).glob(f"*/{TRIAL_FILE}")))
    return Score(group, metrics, len(results), trials, shared)


def columns_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """The data sets that get a column: CLUE's ten, and further ones that a model has."""
    return (*CLUE_DATASETS, *(name for name in FURTHER_DATASETS if any(name in row.scores for row in rows)))


def notes_of(rows: Sequence[Row]) -> list[str]:
    """What has to be said beside the table: what is missing, the sample, settings that are not the same in a column."""
    scores = [(row.model, name, score) for row in rows for name, score in row.scores.items()]
    notes = []
    for row in rows:
        missing = [name.upper() for name in CLUE_DATASETS if name not in row.scores]
        if missing:
            notes.append(f"{row.model}: {MISSING} is missing ({', '.join(missing)}); {AVERAGE} is of the others alone")
    if any(len(score.group.results) > 1 for _, _, score in scores):
        notes.append("mean±population standard deviation over the seeds of the best settings")
    unfinished = [f"{model}/{name} {s.finished} of {s.trials}" for model, name, s in scores if s.finished < s.trials]
    if unfinished:
        notes.append(f"trials finished: {', '.join(unfinished)}; the others may be better")
    stopped = [f"{model}/{name}" for model, name, score in scores if score.group.best.stopped]
    if stopped:
        notes.append(f"stopped early, no trial was trained to its end: {', '.join(stopped)}")
    if any(score.shared.get("data_source") == "sample" for _, _, score in scores):
        notes.append("the data is the toolkit's generated sample: figures say nothing about the real sets")
    return [*notes, *_differences(rows)]


def _differences(rows: Sequence[Row]) -> list[str]:
    """A line for each setting that the cells of one column do not share."""
    found = []
    for name in columns_of(rows):
        cells = {row.model: row.scores[name].shared for row in rows if name in row.scores}
        flat = {
            model: {**shared.get("settings", {}), **shared.get("max_samples", {}), "data": _data(shared)}
            for model, shared in cells.items()
        }
        for key in dict.fromkeys(key for settings in flat.values() for key in settings):
            values = {model: str(settings.get(key, "not set")) for model, settings in flat.items()}
            if len(set(values.values())) > 1:
                listed = ", ".join(f"{value} ({model})" for model, value in values.items())
                found.append(f"{name.upper()}: rows are not comparable: {key} is {listed}")
    return found


def _data(shared: Mapping[str, Any]) -> str:
    return str(shared.get("data_dir") or shared.get("data_source", ""))


def _cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """The first table: its heads and its rows."""
    columns = columns_of(rows)
    clue, further = columns[: len(CLUE_DATASETS)], columns[len(CLUE_DATASETS) :]
    heads = ["model", *map(heading, clue), AVERAGE, *map(heading, further)]

    def text(row: Row, name: str) -> str:
        return row.scores[name].text if name in row.scores else MISSING

    body = [
        [row.model, *(text(row, name) for name in clue), row.average_text, *(text(row, name) for name in further)]
        for row in rows
    ]
    return heads, body


def _settings(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """The second table: the best settings of each cell."""
    heads = ["model", "data set", "best settings", "seeds", "trials"]
    body = []
    for row in rows:
        for name in columns_of(rows):
            score = row.scores.get(name)
            if score is None:
                continue  # the first table says so
            searched = ", ".join(f"{key} {value}" for key, value in score.group.searched.items())
            seeds = " ".join(str(item.seed) for item in score.group.results)
            body.append([row.model, name.upper(), searched, seeds, f"{score.finished} of {score.trials}"])
    return heads, body


def markdown(rows: Sequence[Row]) -> str:
    """Both tables in Markdown, with their notes."""
    parts = ["Dev scores x 100.\n" + _markdown_table(*_cells(rows)), _markdown_table(*_settings(rows))]
    notes = "".join(f"- {markdown_text(note)}\n" for note in notes_of(rows))
    return "\n".join([*parts, notes] if notes else parts)


def _markdown_table(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [[markdown_text(text) for text in line] for line in (heads, *body)]
    rule = [" --- "] * len(heads)
    shown = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([shown[0], f"|{'|'.join(rule)}|", *shown[1:]]) + "\n"


def as_json(rows: Sequence[Row]) -> str:
    """All that the tables show, as JSON: scores are shares from 0 to 1, None where one is missing."""
    found = []
    for row in rows:
        cells: dict[str, Any] = {}
        for name in columns_of(rows):
            score = row.scores.get(name)
            cells[name] = None if score is None else _score_record(score)
        average = {"value": row.average, "sets": len(row.counted), "of": len(CLUE_DATASETS)}
        found.append({"model": row.model, "average": average, "scores": cells})
    return json_text({"spread": "population standard deviation", "notes": notes_of(rows), "rows": found})


def _score_record(score: Score) -> dict[str, Any]:
    group = score.group
    return {
        "metrics": {name: {"mean": group.mean(name), "spread": group.spread(name)} for name in score.metrics},
        "seeds": [item.seed for item in group.results],
        "settings": dict(group.searched),
        "finished": score.finished,
        "trials": score.trials,
    }


def as_csv(rows: Sequence[Row]) -> str:
    """All that the tables show, as CSV: a line for each model, data set and metric, and one for each average."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("model", "data set", "metric", "mean", "spread", "seeds", "finished", "trials", "settings"))
    for row in rows:
        for name in columns_of(rows):
            score = row.scores.get(name)
            for metric in shown_metrics(name):
                if score is None:
                    writer.writerow((row.model, name, metric, MISSING, MISSING, 0, MISSING, MISSING, MISSING))
                    continue
                group = score.group
                figures = (f"{group.mean(metric):.6f}", f"{group.spread(metric):.6f}", len(group.results))
                settings = json.dumps(dict(group.searched), sort_keys=True)
                writer.writerow((row.model, name, metric, *figures, score.finished, score.trials, settings))
        average = MISSING if row.average is None else f"{row.average:.6f}"
        sets = f"{len(row.counted)} of {len(CLUE_DATASETS)} sets"
        writer.writerow((row.model, AVERAGE, "", average, MISSING, MISSING, MISSING, MISSING, sets))
    return stream.getvalue()


FORMATS = {"markdown": markdown, "csv": as_csv, "json": as_json}
"""What writes the tables, by the name of the format."""
