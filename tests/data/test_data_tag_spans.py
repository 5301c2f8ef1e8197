"""Entities as spans of a text: CLUENER's, doccano's and Label Studio's forms; errors with their place."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tag_files import FORMS, SPANS, TEXT, TRIPLES, label_studio, read, region, write

from ernie_toolkit.data import load_dataset
from ernie_toolkit.data.inputs import read_inputs
from ernie_toolkit.data.tagged import read_tags
from ernie_toolkit.decoding import EntitySpan, entity_spans
from ernie_toolkit.errors import DataError


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_spans(tmp_path: Path, form: str, listed: bool) -> None:
    path = write(tmp_path / "train.json", FORMS[form], FORMS[form], listed=listed)
    assert read_tags(path) == ("B-LOC", "I-LOC", "B-PER", "I-PER", "B-ship", "I-ship", "O")
    examples, record = read(path)
    assert [(row["text"], entity_spans(row["labels"])) for row in examples] == [(TEXT, SPANS)] * 2
    assert [row["line"] for row in examples] == ([2, 3] if listed else [1, 2])
    assert record.format.startswith("a JSON list (" if listed else "JSON lines (")
    assert ("tags: BIO" in record.format) == (form == "tags") and record.notices == []


def test_forms_are_named(tmp_path: Path) -> None:
    rows = [FORMS[name] for name in ("cluener", "doccano relations", "triples", "label studio")]
    record = read(write(tmp_path / "train.json", *rows))[1]
    assert record.format == (
        "JSON lines ('label': CLUENER's spans (end inclusive), 'entities': objects with start, end and type (end "
        "exclusive), 'label': [start, end, type] (end exclusive), Label Studio's export (end exclusive))"
    )


def test_spans_have_no_scheme(tmp_path: Path) -> None:
    path = write(tmp_path / "train.json", FORMS["triples"], FORMS["cluener"])
    examples, record = read(path, tag_scheme="bioes")
    assert record.notices == [f"`tag_scheme` is for tags, and spans have none: not used for {path}"]
    assert entity_spans(examples[1]["labels"]) == SPANS


def test_lines_of_a_list(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    first = json.dumps(FORMS["triples"], indent=2)
    path.write_text(f"\n\n[{first} ,\n\n {json.dumps(FORMS['labels'])}\n]\n\n")
    assert [row["line"] for row in read(path)[0]] == [3, 5 + first.count("\n")]
    for content, place, message in (
        ('[{"text": "周", "label": []}\n{"text": "宁"}]', 2, "the JSON list is broken there: a comma or its closing"),
        ('[{"text": "周", "label": []},\n{"text" "宁"}]', 2, "not valid JSON (column 9: Expecting ':' delimiter)"),
        ('[{"text": "周", "label": []}\n', 1, "the JSON list is broken there"),
        ('[{"text": "周", "label": []}]\n{"text": "宁"}', 2, "text behind the JSON list"),
        ('[{"text": "周", "label": []},\n"宁"]', 2, "a JSON text in the list, not an object"),
        ("[" * 100_000, 1, "not usable JSON"),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(DataError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}:{place}: {message}")
    path.write_text("[ ]")
    with pytest.raises(DataError, match="the file is empty"):
        read_tags(path)


def test_no_entity_and_no_annotation(tmp_path: Path) -> None:
    for name in ("label", "labels", "entities", "spans"):
        rows = [{"text": "好", name: []}, {"text": TEXT, name: TRIPLES}]
        for split in ("train", "dev", "test"):
            examples = read(write(tmp_path / "train.json", *rows), split)[0]
            assert [len(entity_spans(row["labels"])) for row in examples] == [0, 3]
    for row in (
        {"text": "好", "labels": []},
        {"text": "好"},
        {"text": "好", "label": ""},
    ):
        path = write(tmp_path / "train.json", row)
        assert read(path, "test")[0][0]["labels"] is None
        with pytest.raises(DataError, match=r"train\.json:1: no tags: a sentence of the dev file needs one for each"):
            read(path, "dev")
    assert read(write(tmp_path / "train.json", {"text": "好", "label": {}}))[0][0]["labels"] == ["O"]
    task = {"data": {"text": "好"}, "annotations": []}
    path = write(tmp_path / "train.json", FORMS["label studio"], task, label_studio(was_cancelled=True), listed=True)
    examples, record = read(path, "dev")
    assert (len(examples), record.left_out) == (1, {"row(s) without an annotation": [3, 4]})
    assert [row["labels"] is None for row in read(path, "test")[0]] == [False, True, True]
    assert entity_spans(read(write(path, label_studio()))[0][0]["labels"]) == []


def test_types_of_any_name(tmp_path: Path) -> None:
    train = write(tmp_path / "train.json", {"text": "周宁来", "label": [[0, 2, " work of art "], [2, 3, "e-mail"]]})
    data = load_dataset("custom", task="token_cls", train_file=train, dev_file=train)
    assert data.spec.labels == ("B-e-mail", "I-e-mail", "B-work of art", "I-work of art", "O")
    assert data.split("dev")[0]["labels"] == ["B-work of art", "I-work of art", "B-e-mail"]


OUT = "is not within the text, which has 9 characters"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"label": [[0, 2, "PER"], [1, 3, "LOC"]]},
            "field 'label', span 2: '宁坐' [1, 3) of type 'LOC' overlaps '周宁' [0,",
        ),
        (
            {"label": [[7, 9, "LOC"], [0, 2, "PER"], [1, 2, "PER"]]},
            "field 'label', span 3: '宁' [1, 2) of type 'PER' over",
        ),
        ({"label": [[0, 2, "PER"], [0, 2, "LOC"]]}, "overlaps '周宁' [0, 2) of type 'LOC'"),
        (
            {"label": {"PER": {"周宁": [[0, 1]]}, "LOC": {"宁坐": [[1, 2]]}}},
            "field 'label': 'LOC': '宁坐': '宁坐' [1, 3) of",
        ),
        ({"label": [[7, 10, "LOC"]]}, "field 'label', span 1: [7, 10) " + OUT),
        ({"entities": [{"start": -1, "end": 2, "label": "PER"}]}, "field 'entities', span 1: [-1, 2) " + OUT),
        ({"label": [[2, 2, "PER"]]}, "span 1: [2, 2) is empty: the end is exclusive there"),
        ({"label": [[2, 0, "PER"]]}, "span 1: [2, 0) is empty"),
        ({"label": {"PER": {"": [[2, 1]]}}}, "field 'label': 'PER': '': [2, 2) is empty"),
        (
            {"label": {"PER": {"周宁": [[0, 2]]}}},
            "'周宁' is not at [0, 2], the end inclusive, but '周宁坐': it would fit with",
        ),
        (
            {"label": {"PER": {"周宁": [[1, 2]]}}},
            "'周宁' is not at [1, 2], the end inclusive, but '宁坐': the text has it f",
        ),
        ({"label": {"PER": {"周明": [[0, 1]]}}}, "but '周宁': the text does not have it at all"),
        (
            {"spans": [{"start": 0, "end": 1, "label": "PER", "text": "周宁"}]},
            "[0, 1), the end exclusive, but '周': it would",
        ),
        ({"label": {"PER": {"周宁": []}}}, "'PER': '周宁': no place of it"),
        ({"label": {"PER": {"周宁": [0, 1]}}}, "'PER': '周宁': expected its places [[start, end], ...]"),
        ({"label": {"PER": [[0, 1]]}}, "field 'label': 'PER' is a JSON list: it must be {surface: [[start, end]]}"),
        ({"label": {" ": {"周宁": [[0, 1]]}}}, "field 'label': the type ' ' is no text with something in it"),
        ({"label": [[0, 2]]}, "span 1: 2 values: entities are read as [[start, end, type], ...], objects with start"),
        ({"label": [[0, 2, "PER"], "x"]}, "span 2: a JSON text: entities are read as"),
        ({"label": [["PER", 0, 2]]}, "span 1: offset 'PER' is no whole number"),
        ({"label": [[0, 2.0, "PER"]]}, "span 1: offset 2.0 is no whole number"),
        ({"label": [[False, 2, "PER"]]}, "span 1: offset False is no whole number"),
        ({"label": [[0, 2, 5]]}, "span 1: the type 5 is no text"),
        (
            {"label": [{"begin": 0, "end": 2, "label": "PER"}]},
            "span 1: expected start and end (or start_offset and end_off",
        ),
        ({"label": [{"start": 0, "end": 2}]}, "label, type or labels; the fields are 'start', 'end'"),
        ({"label": [{"start": 0, "end": 2, "labels": ["PER", "LOC"]}]}, "span 1: 2 labels: a span has one"),
        ({"label": "PER"}, "field 'label' is a JSON text: it must be a list of texts, a tag for each token, or spans"),
        (
            {"label": TRIPLES, "entities": TRIPLES[:1]},
            "entities under 'label' and under 'entities': keep one of the fields",
        ),
        ({"label": TRIPLES, "tokens": list(TEXT)}, "'tokens' beside spans under 'label', which count characters"),
        ({"label": [[0, 2, "GPE"]]}, "label 'B-GPE' is not one of custom's labels: B-LOC, I-LOC, B-PER"),
    ],
)
def test_spans_that_cannot_be_meant(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "train.json", FORMS["triples"], {"text": TEXT, **row})
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:2: ") and "\n" not in str(caught.value)
    assert message in str(caught.value)
    examples, record = read(path, "test", on_error="skip")
    assert ([row["line"] for row in examples], [row.place for row in record.skipped]) == ([1], [2])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": TEXT}, "no text: expected 'tokens', 'text' or 'sentence'; the fields are 'body'"),
        (
            label_studio(region(0, 2, "PER"), region(1, 3, "LOC")),
            "annotation 1, result 2: '宁坐' [1, 3) of type 'LOC' over",
        ),
        (
            label_studio({"value": {"start": 0, "end": 2}, "type": "labels"}),
            "annotation 1, result 1: expected start and",
        ),
        (label_studio({"value": 5, "type": "labels"}), "annotation 1, result 1: no object 'value'"),
        ({"data": {"text": TEXT}, "annotations": [{"result": {}}]}, "annotation 1: 'result' is a JSON object"),
        ({"data": {"text": TEXT}, "annotations": 5}, "field 'annotations' must be a list of objects"),
        (
            {"data": {"body": TEXT, "url": ""}},
            "field 'data': no text: expected 'text', 'sentence' or one field with a text",
        ),
        ({"data": {"stars": 5}}, "one field with a text; the fields are 'stars'"),
        (
            {"data": {"text": TEXT}, "annotations": [{"result": []}, {"result": [region(0, 2, "PER")]}]},
            "2 annotations that differ: keep one of them",
        ),
    ],
)
def test_exports_that_cannot_be_meant(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    if "text" in row:
        row = {"body": row["text"]}
    path = write(tmp_path / "train.json", FORMS["label studio"], row, listed=True)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert message in str(caught.value)


def test_other_results_are_counted(tmp_path: Path) -> None:
    choice = {"value": {"choices": ["news"]}, "type": "choices", "from_name": "kind"}
    path = write(tmp_path / "train.json", label_studio(region(0, 2, "PER"), choice, {"type": "relation"}), listed=True)
    assert read(path)[1].notices == [
        "2 result(s) of Label Studio are no labels of spans, and are not read (first at line 2)"
    ]


def test_halves_of_characters(tmp_path: Path) -> None:
    wide = "😀周宁来"
    path = tmp_path / "train.json"
    examples, record = read(write(path, {"text": wide, "label": [[1, 3, "PER"]]}))
    assert entity_spans(examples[0]["labels"]) == [("PER", 1, 3)]
    assert (
        record.notices[0].startswith("1 row(s) have characters beyond U+FFFF before a span")
        and len(record.notices) == 1
    )
    quoted = {"start": 1, "end": 3, "label": "PER", "text": "周宁"}
    assert read(write(path, {"text": wide, "entities": [quoted]}))[1].notices == []
    assert read(write(path, {"text": "周宁来😀", "label": [[0, 2, "PER"]]}))[1].notices == []
    for text, spans, message in (
        (wide, [[2, 5, "PER"]], "has 4 characters (offsets count from 0); UTF-16 units would fit"),
        (wide, [{**quoted, "start": 2, "end": 4}], "it would fit in UTF-16 units: count characters"),
        ("e\u0301a", [[1, 3, "PER"]], "1 cuts 'e\u0301' in half"),
        ("e\u0301a", [[0, 1, "PER"]], "1 cuts 'e\u0301' in half"),
        ("か\u3099", [[0, 1, "PER"]], "in half"),
        ("葛\U000e0100城", [[0, 1, "PER"]], "in half"),
        ("👩\u200d🚀来", [[0, 2, "PER"]], "2 cuts"),
        ("👍🏽来", [[0, 1, "PER"]], "1 cuts"),
    ):
        with pytest.raises(DataError, match=r"train\.json:1: ") as caught:
            read(write(path, {"text": text, "label": spans}))
        assert message in str(caught.value)
    assert len(read(write(path, {"text": "e\u0301a", "label": [[0, 2, "PER"], [2, 3, "LOC"]]}))[0]) == 1


def test_the_same_span_twice_is_one(tmp_path: Path) -> None:
    examples = read(write(tmp_path / "train.json", {"text": TEXT, "label": [*TRIPLES, TRIPLES[1]]}))[0]
    assert entity_spans(examples[0]["labels"]) == SPANS


def test_texts_to_predict_from_an_export(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", *FORMS.values())
    assert read_inputs(path, "characters")[1:5] == [TEXT] * 4
    task = write(tmp_path / "task.jsonl", FORMS["label studio"], FORMS["cluener"])
    assert read_inputs(task, "characters") == [TEXT] * 2


alphabet = st.text(st.sampled_from("周宁来a b😀-,\n"), min_size=1, max_size=12).filter(str.strip)


@st.composite
def texts_with_spans(draw: st.DrawFn) -> tuple[str, list[EntitySpan]]:
    text = draw(alphabet)
    edges = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    return text, [(draw(st.sampled_from(["PER", "LOC", "ship"])), start, end) for start, end in pairs]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(sentences=st.lists(texts_with_spans(), min_size=1, max_size=4), listed=st.booleans(), data=st.data())
def test_every_form_carries_the_same_entities(tmp_path: Path, sentences: Any, listed: bool, data: Any) -> None:
    def row(text: str, spans: list[EntitySpan]) -> dict[str, Any]:
        form = data.draw(st.sampled_from(["triples", "objects", "cluener", "export"]))
        if form == "cluener":
            label: dict[str, Any] = {}
            for kind, start, end in spans:
                label.setdefault(kind, {}).setdefault(text[start:end], []).append([start, end - 1])
            return {"text": text, "label": label}
        if form == "export":
            return label_studio(*(region(start, end, kind, text) for kind, start, end in spans), text=text)
        triples = [[start, end, kind] for kind, start, end in data.draw(st.permutations(spans))]
        objects = [{"start_offset": start, "end_offset": end, "label": kind} for start, end, kind in triples]
        return {"text": text, "label": triples} if form == "triples" else {"text": text, "entities": objects}

    path = write(tmp_path / "train.json", *(row(*sentence) for sentence in sentences), listed=listed)
    examples = read(path)[0]
    assert [(example["text"], entity_spans(example["labels"])) for example in examples] == sentences
