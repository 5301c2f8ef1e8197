"""Protocol buffers as text, as far as Triton's config.pbtxt needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ernie_toolkit.formats.escapes import protobuf_string


class Symbol(str):
    """An enumeration's value: written without quotation marks."""


def format_message(fields: Mapping[str, Any], indent: str = "") -> str:
    """Fields in their order: a mapping as a message, a sequence as repeated fields, the rest as scalars.

    Format: https://protobuf.dev/reference/protobuf/textformat-spec/

    Args:
        fields: Values by name.
        indent: What stands before each line.
    """
    lines = []
    for name, value in fields.items():
        many = isinstance(value, Sequence) and not isinstance(value, str)
        for item in value if many else [value]:
            if isinstance(item, Mapping):
                lines.append(f"{indent}{name} {{\n{format_message(item, indent + '  ')}{indent}}}\n")
            else:
                lines.append(f"{indent}{name}: {_scalar(item)}\n")
    return "".join(lines)


def _scalar(value: Any) -> str:
    if isinstance(value, Symbol):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return protobuf_string(value) if isinstance(value, str) else str(value)
