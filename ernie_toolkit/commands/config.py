"""The YAML file under the command line: where it is, and which options it may set."""

import argparse
import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import ernie_toolkit
from ernie_toolkit.arguments.guide_flags import not_needed
from ernie_toolkit.arguments.options import dataset_name, default_values
from ernie_toolkit.arguments.settings import DEFAULTS, TASK_SECTIONS, config_sections, read_config, resolve_options
from ernie_toolkit.commands.options import RunOptions, SourceOptions
from ernie_toolkit.compression.options import CompressionOptions
from ernie_toolkit.console import notice
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.training.options import TrainingOptions

# Every option that the YAML file may set: it is one file for all tasks and scripts.
CONFIG_OPTIONS = (
    RunOptions,
    TrainingOptions,
    *(task.options_class for task in TASKS.values() if task.options_class is not None),
    CompressionOptions,
)
_OF_A_RUN = frozenset(item.name for item in dataclasses.fields(RunOptions))
# Of a run's own options those that the file may set: the rest says where the file is, and which part of it counts.
RUN_NAMES = _OF_A_RUN - {"config", "dataset"}
SOURCE_NAMES = (frozenset(item.name for item in dataclasses.fields(SourceOptions)) & RUN_NAMES) - {
    "model_name_or_path",
    "output_dir",
    "resume",
    "overwrite_output_dir",
}


def task_limits(task: str, config: Mapping[str, Any], given: argparse.Namespace) -> dict[str, int]:
    """A task's own settings beside the length, for `DatasetSpec.task`; none where no option is one.

    Args:
        task: The task's name.
        config: What the YAML file says, of `read_config`.
        given: What was given on the command line, which goes first.

    Raises:
        ConfigError: On a value that is out of its range.
    """
    options_class = TASKS[task].options_class
    return {} if options_class is None else dataclasses.asdict(resolve_options(options_class, config, given))


def default_config() -> Path:
    """The toolkit's own YAML file: in a checkout beside the package, in an installed package inside it."""
    package = Path(ernie_toolkit.__file__).resolve().parent
    inside = package / "configs" / "default.yml"
    return inside if inside.is_file() else package.parent / "configs" / "default.yml"


def config_path(source: SourceOptions, given: argparse.Namespace) -> Path:
    """The YAML file: the one named, else that of the place where the script is called, else the toolkit's own.

    Args:
        source: The options, `config` among them.
        given: Those that were given, which show whether the file was named.
    """
    if "config" in vars(given) or Path(source.config).exists():
        return Path(source.config)
    return default_config()


def config_notices(path: Path, task: str, dataset: str, names: Collection[str]) -> list[str]:
    """What a YAML file says without effect for one data set of a task, a line each.

    These are the guides' keys that are not needed, and options of a run that the file may not set.

    Args:
        path: The file.
        task: The task's name.
        dataset: The data set's name.
        names: The options of a run that it may set.

    Raises:
        ConfigError: On any other file than one of sections.
    """
    found = config_sections(path)
    notices = []
    for where in (DEFAULTS, f"{TASK_SECTIONS[task]}.{dataset}"):
        section = found.get(where) or {}
        if not isinstance(section, dict):
            continue  # `read_config` refuses it
        for key, value in section.items():
            place, reason = f"{path}: {where}.{key}", not_needed(str(key))
            if key in ("dataset", "task_name"):
                if where == DEFAULTS or dataset_name(str(value)) != dataset:
                    notices.append(f"{place} is left out: the section's name and --dataset say which data set it is")
            elif reason is not None:
                notices.append(f"{place} is not needed: {reason}")
            elif key in _OF_A_RUN and key not in names:
                notices.append(f"{place} is left out: give --{key} on the command line")
    return notices


def defaults_of(task: str, *options_classes: type) -> dict[str, Any]:
    """What options of a script are where nobody chose, those of the task among them.

    Args:
        task: The task's name.
        *options_classes: Dataclasses of the script's other options.
    """
    own = TASKS[task].options_class
    return default_values(*options_classes, *([own] if own is not None else []))


def dump_config(
    task: str, dataset: str, settings: Mapping[str, Any], defaults: Mapping[str, Any], names: Collection[str]
) -> None:
    """Print settings as a YAML file that `--config` reads, and end the process.

    The sample's own settings are not among them: whether a run is on the sample shows when the data is read.

    Args:
        task: The task's name.
        dataset: The data set's name.
        settings: Every option by name.
        defaults: What options are where nobody chose.
        names: Options of a run that the file may set; they are printed where they differ from the defaults.

    Raises:
        SystemExit: Always, with code 0.
    """
    import yaml

    known = {item.name for options_class in CONFIG_OPTIONS for item in dataclasses.fields(options_class)}
    values = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in settings.items()
        # An empty text means that nobody chose: the file cannot say so.
        if name in known and value != "" and (name not in _OF_A_RUN or (name in names and value != defaults[name]))
    }
    print(yaml.safe_dump({TASK_SECTIONS[task]: {dataset: values}}, allow_unicode=True, sort_keys=False), end="")
    raise SystemExit(0)


def with_config(
    given: argparse.Namespace, source: SourceOptions, task: str, names: Collection[str]
) -> argparse.Namespace:
    """What was given, on the command line or else in the YAML file, which may have these options beside its own.

    What the file says without effect is printed.

    Args:
        given: What was given on the command line.
        source: What the command line alone says, with defaults for the rest.
        task: The task's name.
        names: Options of a run that the file may set.

    Raises:
        ConfigError: As `read_config`.
    """
    path = config_path(source, given)
    notice(*config_notices(path, task, source.dataset, names))
    config = read_config(path, task, source.dataset, CONFIG_OPTIONS)
    return argparse.Namespace(**{name: config[name] for name in names if name in config} | vars(given))
