"""What the answers of every task have in common."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol


class Answer(Protocol):
    """The answer to one input: plain values, as JSON for files and servers, and as lines for people."""

    FIELDS: ClassVar[tuple[str, ...]]
    """The names that `fields` gives; those of a row that could not be read are all null."""

    def fields(self) -> dict[str, Any]:
        """The answer as JSON fields, confidences rounded to six places; places are characters, their end exclusive."""

    @property
    def content(self) -> Any:
        """What the answer says, without its confidence: equal for equal answers."""

    def lines(self) -> list[str]:
        """The answer for a terminal, a line or several."""
