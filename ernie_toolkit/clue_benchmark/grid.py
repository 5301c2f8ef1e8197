"""The grid of each data set: which settings all of its trials share, and which combinations are tried."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ernie_toolkit.arguments.options import dataset_name
from ernie_toolkit.arguments.settings import option_value, read_config
from ernie_toolkit.commands.config import CONFIG_OPTIONS, default_config
from ernie_toolkit.data.registry import DATASETS
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.parsing import read_yaml
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.training.options import TrainingOptions

CLUE_DATASETS = ("afqmc", "tnews", "iflytek", "cmnli", "ocnli", "cluewsc2020", "csl", "cmrc2018", "chid", "c3")
"""The data sets of CLUE in the order of published tables; their scores make its average."""
MULTI_LABEL = "multi_label"
FURTHER_DATASETS = ("msra_ner", MULTI_LABEL)
"""Further data sets that a grid may have; they are not in CLUE's average."""
ALL = "all"
DROPOUT, DROPOUTS = "dropout", ("hidden_dropout_prob", "attention_probs_dropout_prob")
# What is said on the command line for all trials, or follows from the machine.
_NOT_IN_A_GRID = ("seed", "max_steps", "logging_dir", "report_to", "disable_tqdm", "keep_checkpoints")
_OPTIONS = {item.name: item for item in fields(TrainingOptions) if item.name not in _NOT_IN_A_GRID}
_REMEDY = "write it as clue/grid.yml is written"
MOST_TRIALS = 10_000


@dataclass(frozen=True)
class DatasetGrid:
    """The trials of one data set.

    Attributes:
        dataset: One of `CLUE_DATASETS` or `FURTHER_DATASETS`.
        settings: Options of the training by name that all trials have.
        values: For each option that is searched its values.
    """

    dataset: str
    settings: Mapping[str, Any]
    values: Mapping[str, tuple[Any, ...]]

    @property
    def combinations(self) -> list[dict[str, Any]]:
        """Every combination of the values once, in the grid's order."""
        found: list[dict[str, Any]] = []
        for chosen in itertools.product(*self.values.values()):
            combination = dict(zip(self.values, chosen, strict=True))
            if combination not in found:
                found.append(combination)
        return found


def task_of(dataset: str) -> str:
    """The name of a data set's task."""
    return "multi_label" if dataset == MULTI_LABEL else DATASETS[dataset].task_name


def chosen_datasets(names: Sequence[str]) -> tuple[str, ...]:
    """The data sets that some names stand for, each once, in the order of published tables.

    Args:
        names: Data sets, as scripts take them, or "all" for those of CLUE.

    Raises:
        ConfigError: On another name.
    """
    known = (*CLUE_DATASETS, *FURTHER_DATASETS)
    wanted: set[str] = set()
    for text in names:
        name = dataset_name(text)
        if name not in (ALL, *known):
            raise ConfigError(f"`datasets`: '{text}' has no grid: use {ALL}, or some of {', '.join(known)}")
        wanted |= set(CLUE_DATASETS) if name == ALL else {name}
    return tuple(name for name in known if name in wanted)


def read_grid(path: Path, datasets: Sequence[str]) -> dict[str, DatasetGrid]:
    """The grids of some data sets, by name.

    The whole file is checked, not only the part that is used.

    Args:
        path: A YAML file: groups of data sets with `grid` and `settings` (see clue/grid.yml).
        datasets: The data sets whose grids are wanted.

    Raises:
        ConfigError: On anything else in the file, with the place, and where a data set is not in it.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file of grids: give another by `config`")
    found: dict[str, DatasetGrid] = {}
    for group, content in _mapping(read_yaml(path, ConfigError, _REMEDY), f"{path}").items():
        where = f"{path}: {group!s:.60}"
        shared = _part(content, where, ("grid", "settings", "datasets"))
        for name, own in _mapping(shared.get("datasets"), f"{where}.datasets").items():
            (dataset,) = chosen_datasets([str(name)]) if str(name).lower() != ALL else ("",)
            place = f"{where}.datasets.{name}"
            if not dataset or dataset in found:
                raise ConfigError(f"{place}: {'no data set' if not dataset else 'stands there twice'}: {_REMEDY}")
            found[dataset] = _grid(dataset, [(where, shared), (place, _part(own, place, ("grid", "settings")))])
    missing = [name for name in datasets if name not in found]
    if missing:
        raise ConfigError(f"{path}: no grid for {', '.join(missing)}: add it, or leave it out of `datasets`")
    return {name: found[name] for name in datasets}


def _grid(dataset: str, parts: Sequence[tuple[str, Mapping[str, Any]]]) -> DatasetGrid:
    """The grid of a data set from those parts of the file that it is made of, the later ones going first."""
    settings: dict[str, Any] = {}
    values: dict[str, tuple[Any, ...]] = {}
    for where, part in parts:
        for key, value in _mapping(part.get("settings"), f"{where}.settings").items():
            settings.update(_options(str(key), value, f"{where}.settings.{key}"))
        for key, listed in _mapping(part.get("grid"), f"{where}.grid").items():
            place = f"{where}.grid.{key}"
            if not isinstance(listed, list) or not listed:
                raise ConfigError(f"{place}: it must be a list of values: {_REMEDY}")
            name = DROPOUT if key == DROPOUT else str(key)
            values[name] = tuple(next(iter(_options(str(key), value, place).values())) for value in listed)
    twice = [name for name in values if name in settings]
    if twice:
        raise ConfigError(f"{parts[-1][0]}: {twice[0]} stands in settings and in grid: leave one out")
    count = 1
    for items in values.values():
        count *= len(items)
    if count > MOST_TRIALS:
        raise ConfigError(
            f"{parts[-1][0]}: {count:,} combinations, and {MOST_TRIALS:,} are the most: shorten its lists"
        )
    if not values:
        raise ConfigError(f"{parts[-1][0]}: no grid of values for {dataset}: {_REMEDY}")
    return DatasetGrid(dataset, settings, dict(sorted(values.items())))


def _options(key: str, value: Any, where: str) -> dict[str, Any]:
    """An option's value, checked; both of `DROPOUTS` for the short name."""
    names = DROPOUTS if key == DROPOUT else (key,)
    if names[0] not in _OPTIONS:
        raise ConfigError(f"{where}: no option of a trial: use {DROPOUT} or one of {', '.join(sorted(_OPTIONS))}")
    return {name: option_value(value, _OPTIONS[name], where) for name in names}


def _mapping(value: Any, where: str) -> dict[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: it must be a mapping: {_REMEDY}")
    return value


def _part(value: Any, where: str, keys: Sequence[str]) -> dict[str, Any]:
    """A mapping with no other keys than these."""
    found = _mapping(value, where)
    for key in found:
        if key not in keys:
            raise ConfigError(f"{where}: unknown key '{key!s:.60}': use {', '.join(keys)}")
    return found


def training_settings(grid: DatasetGrid, max_steps: int, **machine: Any) -> dict[str, Any]:
    """The options that all trials of a data set have, by name: the grid's over those of configs/default.yml.

    Args:
        grid: The data set's.
        max_steps: Optimizer steps of a trial; -1: as many as the epochs give.
        **machine: Options that the caller chooses for all trials (`bf16`).
    """
    known = {item.name for item in fields(TrainingOptions)}
    task = task_of(grid.dataset)
    base: Mapping[str, Any] = {}
    if TASKS[task].config_section is not None:
        base = read_config(default_config(), task, grid.dataset, CONFIG_OPTIONS)
    searched = {name for key in grid.values for name in (DROPOUTS if key == DROPOUT else (key,))}
    kept = {name: value for name, value in base.items() if name in known and name not in searched}
    return {**kept, **grid.settings, **machine, "max_steps": max_steps}


def with_dropouts(combination: Mapping[str, Any]) -> dict[str, Any]:
    """A combination with the options that `dropout` stands for in its place."""
    found = {name: value for name, value in combination.items() if name != DROPOUT}
    if DROPOUT in combination:
        found.update(dict.fromkeys(DROPOUTS, combination[DROPOUT]))
    return found
