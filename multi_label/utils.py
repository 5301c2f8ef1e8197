"""What the scripts of multi_label/ shared, under its names, for programs that import it from this folder."""

from collections.abc import Iterable

from ernie_toolkit.arguments.settings import script_parser as parser_for
from ernie_toolkit.console import warn

__all__ = ["parser_for", "show_warnings"]


def show_warnings(*groups: Iterable[str]) -> None:
    """Print the warnings of some groups (the data's, the model's), each once."""
    warn(*dict.fromkeys(message for group in groups for message in group))
