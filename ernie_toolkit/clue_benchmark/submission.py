"""The zip for CLUE's server: a file of answers to the test split of each data set, by the names that it wants."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.clue_benchmark.grid import CLUE_DATASETS
from ernie_toolkit.clue_benchmark.selection import best_group, read_best, read_results
from ernie_toolkit.clue_benchmark.table import Row
from ernie_toolkit.clue_benchmark.trials import BEST, CELL_FILE
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files import replaced_file
from ernie_toolkit.files.parsing import read_json_object

# CLUE 1.1 (https://github.com/CLUEbenchmark/CLUE): a name, with the version of a test split that was renewed.
SERVER_NAMES = {
    **{name: f"{name}_predict.json" for name in CLUE_DATASETS},
    "tnews": "tnews11_predict.json",
    "ocnli": "ocnli_50k_predict.json",
    "cluewsc2020": "cluewsc11_predict.json",
    "chid": "chid11_predict.json",
    "c3": "c311_predict.json",
}
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest in a zip: the same answers make the same file


def chosen_model(rows: Sequence[Row], name: str) -> str:
    """The model whose answers are submitted.

    Args:
        rows: Those of the table.
        name: Its name; empty: the only one.

    Raises:
        ConfigError: Where there is no such model, and where none is named of several.
    """
    known = [row.model for row in rows]
    if name and name not in known:
        raise ConfigError(f"`submitted_model`: no results of '{name}': use one of {', '.join(known)}")
    if not name and len(known) > 1:
        raise ConfigError(f"a submission is of one model: give `submitted_model`, one of {', '.join(known)}")
    return name or known[0]


def submission_files(results: Path, model: str) -> tuple[dict[str, Path], dict[str, str]]:
    """The files of answers that are there, and why the others are not, by data set.

    Args:
        results: The output directory of a grid search.
        model: The model's name.

    Raises:
        DataError: On a malformed record.
    """
    found, missing = {}, {}
    for name in CLUE_DATASETS:
        cell = results / model / name
        group, best = best_group(read_results(cell)), read_best(cell)
        if group is None:
            missing[name] = "no trial"
        elif best.get("trial") != group.best.directory.name:
            missing[name] = "the best trial is not exported"
        elif not best.get("submission"):
            missing[name] = str(best.get("no_submission") or "no answers")
        elif not (cell / BEST / str(best["submission"])).is_file():
            missing[name] = f"{cell / BEST / str(best['submission'])} is gone"
        else:
            found[name] = cell / BEST / str(best["submission"])
    return found, missing


def write_submission(path: Path, results: Path, model: str, partial: bool) -> list[str]:
    """Write the zip, whole or not at all.

    Args:
        path: The zip.
        results: The output directory of a grid search.
        model: The model's name.
        partial: Whether files may be missing.

    Returns:
        Lines that say what is in it and what is not.

    Raises:
        ConfigError: Where files are missing that may not, or all of them are.
    """
    found, missing = submission_files(results, model)
    said = "; ".join(f"{SERVER_NAMES[name]} ({reason})" for name, reason in missing.items())[:700]
    if not found or (missing and not partial):
        also = ": run the grid search for them" + (", or give `partial`" if found else "")
        raise ConfigError(f"the submission of {model} lacks {len(missing)} of {len(CLUE_DATASETS)} files: {said}{also}")
    with replaced_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, source in found.items():
            archive.writestr(zipfile.ZipInfo(SERVER_NAMES[name], _DATE), source.read_bytes(), zipfile.ZIP_DEFLATED)
    lines = [f"submission of {model}: {path} ({', '.join(SERVER_NAMES[name] for name in found)})"]
    sampled = [name for name in found if _is_of_sample(results / model / name)]
    if sampled:
        lines.append(f"answers to the generated sample, which the server does not know: {', '.join(sampled)}")
    return [*lines, f"not in it: {said}"] if missing else lines


def _is_of_sample(cell: Path) -> bool:
    return read_json_object(cell / CELL_FILE, DataError, "delete its directory").get("data_source") == "sample"
