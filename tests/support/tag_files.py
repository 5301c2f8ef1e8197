"""Files of texts with spans of entities, in the forms of several programs."""

import json
from pathlib import Path
from typing import Any

from ernie_toolkit.data import Example, custom_spec, read_tagged
from ernie_toolkit.data.file_options import FileOptions, FileRecord

TEXT = "周宁坐上海号去苏州"


SPANS = [("PER", 0, 2), ("ship", 3, 6), ("LOC", 7, 9)]


TRIPLES = [[start, end, kind] for kind, start, end in SPANS]


def label_studio(*results: dict[str, Any], text: str = TEXT, **fields: Any) -> dict[str, Any]:
    return {"id": 3, "data": {"text": text}, "annotations": [{"result": list(results), **fields}]}


def region(start: int, end: int, kind: str, text: str = TEXT) -> dict[str, Any]:
    value = {"start": start, "end": end, "text": text[start:end], "labels": [kind]}
    return {"value": value, "from_name": "label", "to_name": "text", "type": "labels"}


def write(path: Path, *rows: Any, listed: bool = False) -> Path:
    dumped = [json.dumps(row, ensure_ascii=False) for row in rows]
    content = "[\n" + ",\n".join(dumped) + "\n]\n" if listed else "\n".join(dumped) + "\n"
    path.write_text(content, encoding="utf-8")
    return path


def read(path: Path, split: Any = "train", **options: str) -> tuple[list[Example], FileRecord]:
    record = FileRecord()
    spec = custom_spec(write(path.parent / "types.json", FORMS["triples"]), task="token_cls")
    return list(read_tagged(path, spec, split, FileOptions(**options), record)), record


FORMS: dict[str, dict[str, Any]] = {
    "triples": {"text": TEXT, "label": TRIPLES},
    "labels": {"id": 7, "text": TEXT, "labels": TRIPLES, "Comments": []},
    "entities": {"text": TEXT, "entities": TRIPLES, "label": []},
    "spans": {"sentence": TEXT, "spans": TRIPLES[::-1]},
    "doccano relations": {
        "text": TEXT,
        "entities": [
            {"id": i, "label": kind, "start_offset": start, "end_offset": end}
            for i, (kind, start, end) in enumerate(SPANS)
        ],
        "relations": [],
    },
    "prodigy": {
        "text": TEXT,
        "tokens": [{"text": TEXT, "start": 0, "end": 9, "id": 0}],
        "spans": [{"start": start, "end": end, "label": kind} for kind, start, end in SPANS],
    },
    "types": {"text": TEXT, "entities": [{"start": start, "end": end, "type": kind} for kind, start, end in SPANS]},
    "json-min": {"text": TEXT, "label": [region(start, end, kind)["value"] for kind, start, end in SPANS]},
    "cluener": {
        "text": TEXT,
        "label": {kind: {TEXT[start:end]: [[start, end - 1]]} for kind, start, end in SPANS},
    },
    "label studio": label_studio(*(region(start, end, kind) for kind, start, end in SPANS)),
    "cancelled": {
        **label_studio(*(region(start, end, kind) for kind, start, end in SPANS)),
        "annotations": [
            {"result": [], "was_cancelled": True},
            *[{"result": [region(start, end, kind) for kind, start, end in SPANS]}] * 2,
        ],
    },
    "tags": {"text": TEXT, "labels": ["B-PER", "I-PER", "O", "B-ship", "I-ship", "I-ship", "O", "B-LOC", "I-LOC"]},
}
