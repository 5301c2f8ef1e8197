"""The flags of PaddleNLP's guides and scripts: which of ours each one is, or why it is not needed here.

`guide_flag_table.SCRIPTS` is the one list: `add_guide_flags` puts those into a script's parser that it has not itself,
and `docs/guide_flags.md` is written from it (`scripts/guide_flags.py`).
"""

from __future__ import annotations

import argparse
import fnmatch
from typing import Any

from ernie_toolkit.arguments.guide_flag_table import DOES, FAMILIES, NOT_NEEDED, ONLY, OTHER_NAME, SCRIPTS
from ernie_toolkit.arguments.options import boolean
from ernie_toolkit.console import notice
from ernie_toolkit.formats.ranges import PARSERS

DOCUMENT = "docs/guide_flags.md"


def not_needed(name: str) -> str | None:
    """Why a flag of run_* or compress_* is not needed, by its name; None of any other flag."""
    reasons = (
        item.text
        for script in ("run_qa.py", "compress_qa.py")
        for item in SCRIPTS[script]
        if item.name == name and item.kind == NOT_NEEDED
    )
    return next(reasons, None)


def _type_of(values: tuple[str, ...]) -> Any:
    """What a flag's value is read as: the narrowest type that its usual value has."""
    if not values or values[0] in ("true", "false"):
        return boolean
    for read in PARSERS.values():
        try:
            read(values[0])
        except ValueError:
            continue
        return read
    return str


class _NotNeeded(argparse.Action):
    """Says why a flag is not needed, where it is given."""

    def __init__(self, *names: Any, why: str, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.why = why

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        notice(f"{option_string} is not needed: {self.why}")


class _Switch(argparse.Action):
    """Sets another flag to a value, where it is given and not false."""

    def __init__(self, *names: Any, value: str, **settings: Any) -> None:
        super().__init__(*names, **settings)
        self.value = value

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        if values:
            setattr(namespace, self.dest, self.value)


def add_guide_flags(parser: argparse.ArgumentParser, script: str) -> None:
    """Add the flags that the guides' script has under another name, or that are not needed; call it last.

    A flag that is not needed takes values of its kind, as theirs does, and prints one line; it leaves nothing in the
    namespace.

    Args:
        parser: The script's; what it has itself is left to it.
        script: A key of `SCRIPTS`.
    """
    ours = {name: action for action in parser._actions for name in action.option_strings}
    same = parser.add_argument_group("other names, from PaddleNLP's guides")
    for item in (item for item in SCRIPTS[script] if f"--{item.name}" not in ours):
        if item.kind == OTHER_NAME:
            flag, _, value = item.text.partition(" ")
            action = ours[flag]
            settings: dict[str, Any] = {"dest": action.dest, "default": argparse.SUPPRESS}
            if value:
                settings.update(action=_Switch, value=value, nargs="?", const=True, type=boolean, metavar="BOOL")
            else:
                settings.update(
                    nargs=action.nargs,
                    const=action.const,
                    type=action.type,
                    choices=action.choices,
                    metavar=action.metavar,
                )
            same.add_argument(f"--{item.name}", help=f"({item.text})", **settings)
        elif item.kind == NOT_NEEDED:
            kind = _type_of(item.values)
            parser.add_argument(
                f"--{item.name}",
                action=_NotNeeded,
                why=item.text,
                type=kind,
                choices=ONLY.get(item.name),
                nargs="?" if kind is boolean else "+" if len(item.values) > 1 else None,
                const=True,
                dest=argparse.SUPPRESS,
                default=argparse.SUPPRESS,
                help=argparse.SUPPRESS,
            )
    listed = f"{DOCUMENT} lists the flags of PaddleNLP's script, and what each of them is here"
    parser.epilog = f"{parser.epilog}\n{listed}" if parser.epilog else listed


def flag_table() -> str:
    """All flags in one Markdown table: theirs, what each is here, and in which scripts."""
    scripts: dict[tuple[str, str, str], list[str]] = {}
    for script, flags in SCRIPTS.items():
        for item in flags:
            scripts.setdefault((item.name, item.kind, item.text), []).append(script)
    rows: dict[tuple[str, str, str], list[str]] = {}
    for (name, kind, text), places in scripts.items():
        rows.setdefault((kind, text, _short(places)), []).append(f"`--{name}`")
    lines = [
        f"| {' '.join(rows[row])} | {_cell(*row[:2])} | {row[2]} |"
        for row in sorted(rows, key=lambda row: (DOES, OTHER_NAME, NOT_NEEDED).index(row[0]))
    ]
    return "\n".join(["| PaddleNLP | here | scripts |", "| --- | --- | --- |", *lines]) + "\n"


def _short(scripts: list[str]) -> str:
    """Names of scripts, one for all of a family where all of them are there."""
    left = list(scripts)
    names = []
    for family in FAMILIES:
        members = fnmatch.filter(SCRIPTS, family)
        if all(name in left for name in members):
            names.append(family)
            left = [name for name in left if name not in members]
    return ", ".join(f"`{name}`" for name in [*names, *left])


def _cell(kind: str, text: str) -> str:
    return {DOES: "the same", OTHER_NAME: f"`{text}`", NOT_NEEDED: f"not needed: {text}"}[kind]
