"""What the scripts of multi_label/ share: their parser, and the warnings that end a run."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ernie_toolkit.arguments.guide_flags import add_guide_flags
from ernie_toolkit.arguments.settings import add_options
from ernie_toolkit.console import OneLineParser, warn


def parser_for(
    script: str,
    description: str | None,
    *options_classes: type,
    defaults: Mapping[str, Any] | None = None,
    without: tuple[str, ...] = (),
) -> OneLineParser:
    """A parser with a flag for each option, and the flags of PaddleNLP's script of the same name.

    `script`: its path from the project's root.
    `options_classes`: dataclasses of options (see `ernie_toolkit.arguments.options.option`).
    `defaults`: values that the help shows in place of the dataclasses' own.
    `without`: options that get no flag.
    """
    parser = OneLineParser(prog=Path(script).name, description=description)
    for options_class in options_classes:
        add_options(parser, options_class, defaults, without)
    add_guide_flags(parser, script)
    return parser


def show_warnings(*groups: Iterable[str]) -> None:
    """Print the warnings of some groups (the data's, the model's), each once."""
    for message in dict.fromkeys(message for group in groups for message in group):
        warn(message)
