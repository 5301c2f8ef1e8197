"""The rows of Parquet files, a few at a time; needs pyarrow."""

from __future__ import annotations

import base64
import datetime
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ernie_toolkit.corpus.lines import Record
from ernie_toolkit.errors import ConfigError, DataError

INSTALL = "pip install 'ernie_toolkit[parquet]' (or pip install pyarrow)"
_ROWS = 1000
# Types of Arrow, by their names, that JSON has not.
_WRITTEN_AS_TEXT = re.compile("timestamp|date|time|duration|decimal|binary")


def open_parquet(path: Path) -> Any:
    """The opened file, a `pyarrow.parquet.ParquetFile`.

    Raises:
        ConfigError: Where pyarrow is not installed.
        DataError: Where it is no Parquet file.
    """
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        raise ConfigError(f"{path}: pyarrow is not installed, which reads Parquet files: {INSTALL}") from None
    try:
        return parquet.ParquetFile(str(path))
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"{path}: no Parquet file that can be read ({error!s:.200}): write it anew") from None


def parquet_columns(path: Path) -> tuple[list[str], list[str]]:
    """The names of the columns of a Parquet file, and of those whose values JSON writes as texts.

    Raises:
        ConfigError: As `open_parquet`.
        DataError: As `open_parquet`.
    """
    with open_parquet(path) as file:
        schema = file.schema_arrow
        return list(schema.names), [field.name for field in schema if _WRITTEN_AS_TEXT.search(str(field.type))]


def read_parquet(path: Path, skip: int = 0) -> Iterator[Record]:
    """Stream the rows of a Parquet file as fields by name, with values that JSON has.

    Args:
        path: The file.
        skip: Rows that are left out at its beginning; whole row groups of them are not read.

    Raises:
        ConfigError: As `open_parquet`.
        DataError: As `open_parquet`, and where a part of it cannot be read.
    """
    import pyarrow as arrow

    size = path.stat().st_size
    with open_parquet(path) as file:
        total, row = max(file.metadata.num_rows, 1), 0
        for group in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if row + rows <= skip:
                row += rows
                continue
            try:
                for batch in file.iter_batches(batch_size=_ROWS, row_groups=[group]):
                    for fields in batch.to_pylist():
                        row += 1
                        if row > skip:
                            yield Record(row, _json_value(fields), "", size * row // total)
            except (OSError, arrow.ArrowException) as error:
                raise DataError(
                    f"{path}: row {row + 1} and later cannot be read ({error!s:.200}): write it anew"
                ) from None


def _json_value(value: Any) -> Any:
    """A value as JSON has it: times in ISO 8601, decimals as texts, bytes in base64, null for what is no number."""
    if isinstance(value, dict):
        return {str(name): _json_value(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value)  # decimals with all their digits, durations, UUIDs
