"""Files of questions in SQuAD's form."""

import json
from pathlib import Path
from typing import Any

CONTEXT = " 甲生于北京，后来去了上海。"


ROW = {
    "id": "q1",
    "title": "甲",
    "question": "甲生于哪里？",
    "context": CONTEXT,
    "answers": [{"text": "北京", "answer_start": 4}],
}


def write(path: Path, content: Any) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else json.dumps(content).encode())
    return path


def squad(*rows: dict[str, Any]) -> dict[str, Any]:
    """A file's content with one entry, one paragraph and one question for each row."""
    data = []
    for row in rows:
        qa = {name: value for name, value in row.items() if name not in ("title", "context")}
        data.append({"title": row["title"], "paragraphs": [{"context": row["context"], "qas": [qa]}]})
    return {"version": "x", "data": data}


def changed(**fields: Any) -> dict[str, Any]:
    """A good row with some fields replaced, or taken out where `...` is given."""
    return {name: value for name, value in {**ROW, **fields}.items() if value is not ...}
