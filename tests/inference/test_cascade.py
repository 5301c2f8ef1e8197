"""Cascades of tiny bundles: who answers which row, what is refused, and what the scripts print of them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from answers import INPUTS
from cascades import SHAPES, make_cascade
from hypothesis import given, settings
from hypothesis import strategies as st
from label_sets import TEXTS
from task_bundles import make_multi_label_bundle, make_task_bundle
from tiny import ROOT

from ernie_toolkit.bundle import BUNDLE_FILE, Bundle, CascadeBundle, open_bundle, read_bundle, read_cascade
from ernie_toolkit.bundle.cascade import CONFIDENCES, EVERY_ROW_DEFERRED, write_cascade_info
from ernie_toolkit.bundle.info import CHECKSUM_KEY, description_sha256
from ernie_toolkit.data.sample import generate
from ernie_toolkit.decoding import Answer, AnswerOptions
from ernie_toolkit.errors import BundleError, ConfigError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.cascade.confidence import confidences
from ernie_toolkit.inference.cascade.files import check_cascade_target, open_parts
from ernie_toolkit.models import Vocabulary
from ernie_toolkit.text.features import TextInput

PAIRS: list[TextInput] = INPUTS["seq_cls"] + [
    (row["sentence1"], row["sentence2"]) for row in generate("afqmc", 3)["dev"][:40]
]
INPUTS_OF: dict[str, Sequence[TextInput]] = {"seq_cls": PAIRS, "multi_label": TEXTS}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, vocabulary: Vocabulary) -> dict[str, list[Bundle]]:
    """Three bundles of each task, with answers of their own; read only."""

    def make(maker: Callable[[Path, dict[str, object]], Bundle]) -> list[Bundle]:
        return [maker(tmp_path_factory.mktemp("part"), shape) for shape in SHAPES]

    return {
        "seq_cls": make(lambda place, shape: make_task_bundle("seq_cls", vocabulary, place, **shape)),
        "multi_label": make(lambda place, shape: make_multi_label_bundle(vocabulary, place, **shape)),
    }


def same(got: Sequence[Answer], expected: Sequence[Answer]) -> None:
    """The same answers in the same order, probabilities up to what another padding changes."""
    assert [answer.content for answer in got] == [answer.content for answer in expected]
    for one, other in zip(got, expected, strict=True):
        for name in ("confidence", "probabilities"):
            if hasattr(one, name):
                np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=2e-5)


def opened(path: Path | Bundle) -> Predictor:
    return Predictor(path, num_threads=1, engine="onnxruntime")


@pytest.mark.parametrize("task", list(INPUTS_OF))
def test_the_ends_are_the_parts_themselves(parts: dict[str, list[Bundle]], task: str, tmp_path: Path) -> None:
    small, large = (opened(part).predict(INPUTS_OF[task]) for part in parts[task][:2])
    assert [answer.content for answer in small] != [answer.content for answer in large]
    for threshold, expected in ((0.0, small), (EVERY_ROW_DEFERRED, large)):
        cascade = make_cascade(tmp_path / str(threshold), parts[task][:2], [threshold])
        predictor = opened(cascade.directory)
        for batch_size in (1, 7, 64):
            same(predictor.predict(INPUTS_OF[task], batch_size), expected)
        np.testing.assert_allclose(
            predictor.logits(INPUTS_OF[task]), opened(parts[task][threshold > 0]).logits(INPUTS_OF[task]), atol=1e-5
        )
        assert predictor.predict([]) == [] and len(predictor.logits([])) == 0
        assert sorted(predictor.cascade.answered.values())[0] == 0  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", CONFIDENCES)
@pytest.mark.parametrize("task", list(INPUTS_OF))
def test_each_row_has_the_answer_of_the_first_part_that_is_sure(
    parts: dict[str, list[Bundle]], task: str, kind: str, tmp_path: Path
) -> None:
    inputs, temperatures = INPUTS_OF[task], (1.25, 0.75, 1.5)
    alone = [opened(part) for part in parts[task]]
    sure = [
        confidences(np.asarray(part.logits(inputs)), part.task, kind, temperature)
        for part, temperature in zip(alone, temperatures, strict=True)
    ]
    # Between two values, so that another padding does not change who answers.
    thresholds = [float(np.sort(values)[len(values) // 2 - 1 : len(values) // 2 + 1].mean()) for values in sure[:2]]
    cascade = opened(make_cascade(tmp_path / "cascade", parts[task], thresholds, kind).directory)
    who = [next((n for n in (0, 1) if sure[n][row] >= thresholds[n]), 2) for row in range(len(inputs))]
    assert set(who) == {0, 1, 2}
    answers = [part.predict(inputs) for part in alone]
    expected = [answers[part][row] for row, part in enumerate(who)]
    seen: list[tuple[str, int]] = []
    assert cascade.cascade is not None
    cascade.cascade.on_rows = lambda name, rows: seen.append((name, rows))
    same(cascade.predict(inputs, 5), expected)
    assert dict(seen) == {f"part_{part + 1}": who.count(part) for part in range(3)} == cascade.cascade.answered
    rows = cascade.task.encode(cascade.tokenizer, list(inputs))
    logits = cascade.run(rows, 5)
    result = cascade.tasks.service_result(inputs, expected, logits, [])
    for number, part in enumerate(alone):
        single = part.task.service_result(inputs, answers[number], part.logits(inputs), [])
        for row in (row for row, answering in enumerate(who) if answering == number):
            assert json.dumps({name: result[name][row] for name in ("label", "label_name")}) == json.dumps(
                {name: single[name][row] for name in ("label", "label_name")}
            )
            assert [top.get("threshold") for top in result["top"][row]] == [
                top.get("threshold") for top in single["top"][row]
            ]
    batch = rows.collate(range(len(rows)))
    np.testing.assert_allclose(cascade.compute(batch)[0], np.asarray(logits)[:, :-1], atol=1e-5)


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("seq_cls", AnswerOptions(top_k=2, abstain_below=0.6)),
        ("multi_label", AnswerOptions(all_scores=True, min_labels=1, threshold=0.4)),
    ],
)
def test_answers_as_wanted_are_those_of_the_part(
    parts: dict[str, list[Bundle]], task: str, options: AnswerOptions, tmp_path: Path
) -> None:
    for threshold, part in ((0.0, parts[task][0]), (EVERY_ROW_DEFERRED, parts[task][1])):
        cascade = make_cascade(tmp_path / str(threshold), parts[task][:2], [threshold])
        got = opened(cascade.directory).predict(INPUTS_OF[task], options=options)
        expected = opened(part).predict(INPUTS_OF[task], options=options)
        for one, other in zip(got, expected, strict=True):
            assert one.content == other.content
            ours, theirs = one.fields(), other.fields()
            assert list(ours) == list(theirs) and [item["label"] for item in ours["scores"]] == [
                item["label"] for item in theirs["scores"]
            ]


def test_settings_go_to_every_part(parts: dict[str, list[Bundle]], tmp_path: Path) -> None:
    path = make_cascade(tmp_path / "cascade", parts["multi_label"][:2], [0.5]).directory
    predictor = Predictor(path, threshold=0.0, max_seq_length=16)
    assert all(len(answer.content) == len(predictor.labels) for answer in predictor.predict(TEXTS))
    assert {task.max_seq_length for task in predictor.tasks.tasks} == {16}
    asked = opened(path).tasks_with(16, None, 1.0)
    assert all(task.thresholds == (1.0,) * len(predictor.labels) for task in asked.tasks)
    with pytest.raises(ConfigError, match="max_seq_length 99 is over"):
        Predictor(path, max_seq_length=99)


def test_engines_of_the_parts(parts: dict[str, list[Bundle]], tmp_path: Path) -> None:
    path = make_cascade(tmp_path / "cascade", parts["seq_cls"][:2], [0.5]).directory
    predictor = Predictor(path, engine="onnxruntime", precision="int8")
    assert [choice.precision for choice in predictor.cascade.choices] == ["int8"] * 2  # type: ignore[union-attr]
    assert (predictor.choice.engine, predictor.choice.precision) == ("onnxruntime", "int8")
    with pytest.raises(BundleError, match="part_1") as found:
        Predictor(path, engine="openvino", precision="int8")
    assert "\n" not in str(found.value)


def test_only_some_open_a_cascade(parts: dict[str, list[Bundle]], tmp_path: Path) -> None:
    cascade = make_cascade(tmp_path / "cascade", parts["seq_cls"][:2], [0.5])
    assert open_bundle(cascade.directory) == cascade and read_cascade(cascade.directory) == cascade
    assert not isinstance(open_bundle(parts["seq_cls"][0].directory), CascadeBundle)
    assert cascade.info.warnings == ("untrained models",) and cascade.info.metrics == {"accuracy": 0.5}
    with pytest.raises(BundleError, match=r"is a cascade of bundles, .*: give one of its parts here \(.*part_1\)"):
        read_bundle(cascade.directory)
    with pytest.raises(BundleError, match="is a cascade of bundles"):
        open_parts([parts["seq_cls"][0].directory, cascade.directory])
    with pytest.raises(BundleError, match="not the description of a cascade"):
        read_cascade(parts["seq_cls"][0].directory)


def test_damaged_and_missing_parts(parts: dict[str, list[Bundle]], tmp_path: Path) -> None:
    whole = make_cascade(tmp_path / "whole", parts["seq_cls"][:2], [0.5]).directory

    def broken(name: str) -> Path:
        return Path(shutil.copytree(whole, tmp_path / name))

    damaged = broken("damaged")
    model = damaged / "part_2" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    with pytest.raises(BundleError, match=r"part_2/model.onnx is not the file that .* lists"):
        Predictor(damaged)
    missing = broken("missing")
    shutil.rmtree(missing / "part_1")
    with pytest.raises(BundleError, match=r"part_1 is missing: .*bundle.json lists it; build the cascade again"):
        Predictor(missing)
    other = broken("other")
    shutil.rmtree(other / "part_1")
    shutil.copytree(parts["seq_cls"][2].directory, other / "part_1")
    with pytest.raises(BundleError, match=r"part_1/bundle.json is not the file that .* lists"):
        Predictor(other)
    changed = broken("changed")
    described = json.loads((changed / BUNDLE_FILE).read_text(encoding="utf-8"))
    described["parts"][0]["threshold"] = 0.1
    (changed / BUNDLE_FILE).write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(BundleError, match="was changed after it was written"):
        Predictor(changed)
    assert Predictor(changed, verify=False).bundle.parts  # type: ignore[attr-defined]


def test_parts_that_do_not_fit(
    parts: dict[str, list[Bundle]], bundle: Bundle, tmp_path: Path, vocabulary: Vocabulary
) -> None:
    first = parts["seq_cls"][0]

    def changed(name: str, **values: object) -> Bundle:
        path = Path(shutil.copytree(parts["seq_cls"][1].directory, tmp_path / name))
        described = json.loads((path / BUNDLE_FILE).read_text(encoding="utf-8"))
        described.update(values)
        described[CHECKSUM_KEY] = description_sha256(described)
        (path / BUNDLE_FILE).write_text(json.dumps(described), encoding="utf-8")
        return read_bundle(path)

    cases = [
        (changed("labels", labels=["1", "0"]), "another list of labels"),
        (changed("format", text_format="keywords"), r"another text format .*\(pair and keywords\)"),
        (changed("length", max_seq_length=40), r"another max_seq_length .*\(48 and 40\)"),
        (parts["multi_label"][0], "another task"),
        (make_task_bundle("seq_cls", Vocabulary(vocabulary.tokens[:-1]), tmp_path / "tokens"), "another tokenizer"),
    ]
    for other, message in cases:
        with pytest.raises(ConfigError, match=f"no cascade can be made: .* has {message}"):
            open_parts([first.directory, other.directory])
    with pytest.raises(ConfigError, match=r"1 part\(s\), and a cascade has 2 to 5"):
        open_parts([first.directory])
    with pytest.raises(BundleError, match="nowhere is not a bundle"):
        open_parts([first.directory, tmp_path / "nowhere"])


def test_where_a_cascade_is_written(parts: dict[str, list[Bundle]], tmp_path: Path) -> None:
    chosen = parts["seq_cls"][:2]
    cascade = make_cascade(tmp_path / "cascade", chosen, [0.5]).directory
    check_cascade_target(tmp_path / "new", chosen, False)
    check_cascade_target(cascade, chosen, True)
    with pytest.raises(ConfigError, match="has a cascade already"):
        check_cascade_target(cascade, chosen, False)
    with pytest.raises(ConfigError, match=r"export lies in .*, which would be replaced"):
        check_cascade_target(chosen[0].directory.parent, chosen, True)
    with pytest.raises(ConfigError, match=r"export lies in"):
        check_cascade_target(chosen[1].directory, chosen, True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is no whole cascade"):
        check_cascade_target(tmp_path / "other", chosen, True)


def test_an_earlier_cascade_stays_where_a_new_one_fails(parts: dict[str, list[Bundle]], tmp_path: Path) -> None:
    earlier = make_cascade(tmp_path / "cascade", parts["seq_cls"][:2], [0.5])
    part = read_bundle(shutil.copytree(parts["seq_cls"][2].directory, tmp_path / "part"))
    with (part.directory / "tokenizer.json").open("ab") as stream:
        stream.write(b"\n")
    with pytest.raises(BundleError, match=r"tokenizer.json has .* bytes, .*bundle.json says"):
        make_cascade(earlier.directory, [parts["seq_cls"][0], part], [0.7])
    (part.directory / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"model\.onnx is gone since it was opened"):
        make_cascade(earlier.directory, [parts["seq_cls"][0], part], [0.7])
    assert read_cascade(earlier.directory) == earlier
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cascade", "part"]


@settings(max_examples=60)
@given(data=st.data())
def test_a_description_is_read_or_refused(
    data: st.DataObject, parts: dict[str, list[Bundle]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever one value of `bundle.json` is replaced by: a BundleError of one line, or what was written."""
    place = tmp_path_factory.mktemp("spoilt")
    cascade = make_cascade(place / "cascade", parts["seq_cls"][:2], [0.5])
    path = cascade.directory / BUNDLE_FILE
    described = json.loads(path.read_text(encoding="utf-8"))
    target = data.draw(st.sampled_from([described, *described["parts"]]))
    key = data.draw(st.sampled_from(sorted(target)))
    value = data.draw(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()) | st.just({})
    )
    target[key] = value
    if key != CHECKSUM_KEY:
        described[CHECKSUM_KEY] = description_sha256(described)
    path.write_text(json.dumps(described), encoding="utf-8")
    try:
        found = open_bundle(cascade.directory)
    except BundleError as error:
        assert "\n" not in str(error) and BUNDLE_FILE in str(error)
    else:
        assert isinstance(found, CascadeBundle)
        write_cascade_info(cascade.directory, found.cascade)
        assert read_cascade(cascade.directory).cascade == found.cascade
    shutil.rmtree(place)


def test_infer_cpu_says_who_answered(parts: dict[str, list[Bundle]], tmp_path: Path) -> None:
    make_cascade(tmp_path / "cascade", parts["seq_cls"][:2], [EVERY_ROW_DEFERRED])
    (tmp_path / "in.tsv").write_text("怎么还款\t如何还款\n" * 3, encoding="utf-8")

    def infer(script: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "deploy/predictor" / script), "--model_path", "cascade", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    done = infer("infer_cpu.py", "--input_file", "in.tsv", "--output_file", "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert "answered by: part_1 0 row(s), part_2 3 row(s)" in done.stdout and "engine of part_2: " in done.stdout
    assert "warning: untrained models" in done.stderr
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    expected = Predictor(parts["seq_cls"][1]).predict([("怎么还款", "如何还款")])[0]
    assert [json.loads(line)["label"] for line in lines] == [expected.fields()["label"]] * 3
    for script, words in (
        ("infer_cpu.py", ("--input", "in.tsv", "--output", "answers")),
        ("infer.py", ()),
        ("infer_gpu.py", ()),
        ("infer_cpu.py", ("--engine", "openvino", "--precision_mode", "int8")),
    ):
        refused = infer(script, *words)
        assert refused.returncode == 2 and refused.stderr.count("\n") == 1, refused.stderr
        assert "cascade" in refused.stderr
    assert not (tmp_path / "answers").exists()
