"""Options from the command line over a YAML file over defaults."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ernie_toolkit.arguments.guide_flags import add_guide_flags, not_needed
from ernie_toolkit.arguments.options import boolean, check_option_ranges, dataset_name
from ernie_toolkit.console import OneLineParser, with_flags
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.parsing import read_yaml
from ernie_toolkit.formats.escapes import half_character
from ernie_toolkit.formats.ranges import PARSERS, check_number, real_number

# Filled by `tasks.register`: a task to the name of its section.
TASK_SECTIONS: dict[str, str] = {}
SAMPLE_SECTION, DEFAULTS = "Sample", "DefaultArgs"
Options = TypeVar("Options")


def add_options(
    parser: argparse.ArgumentParser,
    options_class: type,
    defaults: Mapping[str, Any] | None = None,
    without: Sequence[str] = (),
) -> None:
    """Add a flag for each field of a dataclass made with `option`; none is set unless it is given.

    A field with a tuple takes several values.

    Args:
        parser: Gets the flags, in a group of the dataclass's name.
        options_class: The dataclass.
        defaults: Values that the help shows in place of the dataclass's own; None: none.
        without: Fields that get no flag.
    """
    group = parser.add_argument_group(options_class.__name__)
    for item in (item for item in dataclasses.fields(options_class) if item.name not in without):
        default = (defaults or {}).get(item.name, item.default)
        shown = " ".join(map(str, default)) if isinstance(default, tuple) else default
        flag, text = (
            f"--{item.name}",
            with_flags(item.metadata["help"]) + ("" if shown == "" else f" (default: {shown})"),
        )
        if isinstance(item.default, bool):
            group.add_argument(
                flag, type=boolean, nargs="?", const=True, default=argparse.SUPPRESS, metavar="BOOL", help=text
            )
        else:
            nargs = None
            if isinstance(item.default, tuple):
                nargs = "*" if item.metadata["empty"] else "+"
            group.add_argument(
                flag,
                type=item.metadata["parse"] or _parser(item.default),
                nargs=nargs,
                choices=item.metadata["choices"],
                default=argparse.SUPPRESS,
                help=text,
            )


def script_parser(
    script: str,
    description: str | None,
    *options_classes: type,
    defaults: Mapping[str, Any] | None = None,
    without: Sequence[str] = (),
) -> OneLineParser:
    """A parser with a flag for each option, and the flags of PaddleNLP's script of the same name.

    Args:
        script: Its path from the project's root.
        description: What it is, for its help.
        *options_classes: Dataclasses whose fields are options.
        defaults: See `add_options`.
        without: See `add_options`.
    """
    parser = OneLineParser(prog=Path(script).name, description=description)
    for options_class in options_classes:
        add_options(parser, options_class, defaults, without)
    add_guide_flags(parser, script)
    return parser


def _parser(default: Any) -> Callable[[str], Any]:
    """What reads one value of an option on the command line."""
    kind = _element_type(default)
    return PARSERS.get(kind, kind)


def _element_type(default: Any) -> type:
    """The type of one value of an option; that of a list of values is the first one's, text where it is empty."""
    if isinstance(default, tuple):
        return type(default[0]) if default else str
    return type(default)


def _overlay(section: Any, known: dict[str, Any], path: Path, where: str) -> dict[str, Any]:
    """One mapping of the YAML file, each key known and each value of its option's type.

    Keys of the guides that are not needed have no value here: see `config_notices`.
    """
    values = {}
    for key, value in _mapping(section, path, where).items():
        if key not in known:
            if not_needed(str(key)) is not None or key == "task_name":
                continue
            raise ConfigError(
                f"{path}: unknown key '{key!s:.60}' in {where:.100}: use one of {', '.join(sorted(known))}"
            )
        default, metadata = known[key].default, known[key].metadata
        if isinstance(default, tuple):
            items = value if isinstance(value, list) else [value]
            values[key] = tuple(
                _checked(item, _element_type(default), metadata, f"{path}: {where}.{key}") for item in items
            )
        else:
            values[key] = _checked(value, type(default), metadata, f"{path}: {where}.{key}")
    return values


def _mapping(section: Any, path: Path, where: str) -> dict[Any, Any]:
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: {where} is not a mapping of option names to values")
    return section


def _checked(value: Any, kind: type, metadata: Mapping[str, Any], where: str) -> Any:
    if kind is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        try:  # YAML 1.1 reads 3e-5 (no point) as a string
            value = real_number(value) if isinstance(value, str) else float(value)
        except (ValueError, OverflowError):
            raise ConfigError(f"{where} is '{value!s:.60}': it must be a number") from None
    if kind is str and type(value) in (int, float):  # a width, a path: what looks like a number is text too
        value = str(value)
    if kind is str and value is False and "no" in (metadata["choices"] or ()):  # YAML 1.1 reads no as false
        value = "no"
    if metadata["parse"] and isinstance(value, str):
        try:
            value = metadata["parse"](value)
        except argparse.ArgumentTypeError as error:
            raise ConfigError(f"{where}: {error}") from None
    if type(value) is not kind:
        raise ConfigError(f"{where} is {value!r:.60}: it must be of type {kind.__name__}")
    if metadata["choices"] and value not in metadata["choices"]:
        raise ConfigError(f"{where} is {value!r:.60}: use one of {', '.join(metadata['choices'])}")
    if metadata["allowed"] is not None:
        check_number(value, kind, metadata["allowed"], where)
    return value


def option_value(value: Any, item: dataclasses.Field[Any], where: str) -> Any:
    """A value from a YAML file as an option has it, one of the list's where the option takes several.

    Args:
        value: What the file says.
        item: The option, a field made with `option`.
        where: The place, for messages.

    Raises:
        ConfigError: Where it is of another type, or out of its range.
    """
    return _checked(value, _element_type(item.default), item.metadata, where)


def check_whole_texts(content: Any, path: Path) -> None:
    """Check that the texts of a YAML file can be written to a file again.

    Args:
        content: The file's value.
        path: The file, for messages.

    Raises:
        ConfigError: Where one holds half of a surrogate pair.
    """
    place = half_character(content)
    if place is not None:
        raise ConfigError(f"{path}: {place} holds half of a surrogate pair: write the character itself")


def config_sections(path: Path) -> dict[str, Any]:
    """A YAML file's mappings of options, by the places where they stand in it.

    `DefaultArgs` is always among them; the others are `SECTION.DATASET`.

    Raises:
        ConfigError: On any other file.
    """
    if not path.exists():
        raise ConfigError(f"{path}: no such configuration file: give another with --config")
    content = read_yaml(path, ConfigError, "write it anew, or give another with --config") or {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: not a mapping of sections")
    check_whole_texts(content, path)
    found = {DEFAULTS: content.pop(DEFAULTS, None)}
    for name, section in content.items():
        if name not in (*TASK_SECTIONS.values(), SAMPLE_SECTION):
            allowed = ", ".join((DEFAULTS, *TASK_SECTIONS.values(), SAMPLE_SECTION))
            raise ConfigError(f"{path}: unknown key '{name!s:.60}': use one of {allowed}")
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: {name!s:.60} is not a mapping of data sets")
        found.update({f"{name}.{dataset_name(str(dataset))}": values for dataset, values in section.items()})
    return found


def read_config(
    path: Path, task: str, dataset: str, options_classes: Sequence[type], sample: bool = False
) -> dict[str, Any]:
    """The options that a YAML file has for a data set, by name.

    The file has `DefaultArgs`, a section per task with one mapping per data set, and `Sample` of the same form as a
    task section, which is laid over the others when a run trains the sample model. The whole file is checked, not only
    the part in use.

    Args:
        path: The file.
        task: The task's name, as in `TASKS`.
        dataset: The data set's name.
        options_classes: The dataclasses of options that the file may have.
        sample: Whether the run trains the sample model.

    Raises:
        ConfigError: On what cannot be used; it names file and key.
    """
    known = {item.name: item for options_class in options_classes for item in dataclasses.fields(options_class)}
    sections = {where: _overlay(section, known, path, where) for where, section in config_sections(path).items()}
    places = [DEFAULTS, f"{TASK_SECTIONS[task]}.{dataset}", *([f"{SAMPLE_SECTION}.{dataset}"] if sample else ())]
    return {key: value for place in places for key, value in sections.get(place, {}).items()}


def resolve_options(
    options_class: Callable[..., Options], config: Mapping[str, Any], given: argparse.Namespace
) -> Options:
    """Options from the command line over those of a YAML file over defaults.

    Args:
        options_class: The dataclass, which takes the fields it has of the others.
        config: Of `read_config`.
        given: Of the command line, with those options alone that were given.

    Raises:
        ConfigError: On a number out of its range.
    """
    names = {item.name for item in dataclasses.fields(options_class)}  # type: ignore[arg-type]
    values = {**config, **{key: tuple(v) if isinstance(v, list) else v for key, v in vars(given).items()}}
    options = options_class(**{key: value for key, value in values.items() if key in names})
    check_option_ranges(options)
    return options
