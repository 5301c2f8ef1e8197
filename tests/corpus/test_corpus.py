"""Predicting files: every form, every task, every column kept, bad rows, names that clash, what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answers import HARD, INPUTS, json_row
from corpora import FORMS, files_of, pairs, predict, rows_of, run, write_rows
from label_sets import TEXTS
from task_bundles import make_multi_label_bundle, make_task_bundle

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.errors import ConfigError, DataError, ToolkitError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.models import Vocabulary

MakeBundle = Callable[[str], Bundle]
CONFIDENCE = 2e-5


@pytest.fixture(scope="module")
def make_bundle(vocabulary: Vocabulary, tmp_path_factory: pytest.TempPathFactory) -> MakeBundle:
    """A bundle of a task by its name."""

    def make(task: str) -> Bundle:
        place = tmp_path_factory.mktemp(task)
        return (
            make_multi_label_bundle(vocabulary, place)
            if task == "multi_label"
            else make_task_bundle(task, vocabulary, place)
        )

    return make


def assert_close(found: Any, expected: Any) -> None:
    """Equal up to the rounding of another batch's shape."""
    if isinstance(expected, float):
        assert found == pytest.approx(expected, abs=CONFIDENCE)
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            assert_close(found[name], expected[name])
    elif isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_close(one, other)
    else:
        assert found == expected


@pytest.mark.parametrize("form", FORMS)
def test_each_form_keeps_its_columns_and_gets_the_predictors_answers(bundle: Bundle, tmp_path: Path, form: str) -> None:
    rows = pairs(23)
    summary = predict(bundle, [write_rows(tmp_path / f"in.{form}", rows)], tmp_path / "out")
    assert (summary.rows, summary.bad, summary.blank, summary.files) == (23, 0, 0, 1)
    texts = [(row["sentence1"], row["sentence2"]) for row in rows]
    answers = Predictor(bundle, num_threads=1, engine="onnxruntime", precision="fp32").predict(texts)
    for row, found, answer in zip(rows, rows_of(tmp_path / "out" / "in.jsonl"), answers, strict=True):
        kept: dict[str, Any] = dict(row)
        if form == "txt":
            kept = {"text": row["sentence1"], "text_pair": row["sentence2"]}
        if form in ("csv", "tsv"):
            kept["id"] = str(row["id"])
        assert list(found)[: len(kept)] == list(kept)
        assert_close(found, {**kept, **answer.fields()})
    assert set(files_of(tmp_path / "out")) == {"in.jsonl"}


@pytest.mark.parametrize("task", ["token_cls", "qa", "multiple_choice", "multi_label"])
def test_each_task(make_bundle: MakeBundle, tmp_path: Path, task: str) -> None:
    bundle = make_bundle(task)
    inputs = TEXTS if task == "multi_label" else INPUTS[task]
    rows = [{"text": item} if task == "multi_label" else json_row(task, item) for item in inputs]
    source = write_rows(tmp_path / "in.jsonl", [{**row, "source": number} for number, row in enumerate(rows)])
    predict(bundle, [source], tmp_path / "out", chunk_rows=2)
    predictor = Predictor(bundle, num_threads=1, engine="onnxruntime", precision="fp32")
    answers = [answer for start in range(0, len(inputs), 2) for answer in predictor.predict(inputs[start : start + 2])]
    found = rows_of(tmp_path / "out" / "in.jsonl")
    assert [row["source"] for row in found] == list(range(len(inputs)))
    for row, given, answer in zip(found, rows, answers, strict=True):
        assert_close({name: row[name] for name in row if name not in (*given, "source")}, answer.fields())
    if task == "multiple_choice":
        predict(bundle, [write_rows(tmp_path / "in.parquet", rows)], tmp_path / "table")
        assert [row["choice"] for row in rows_of(tmp_path / "table" / "in.jsonl")] == [row["choice"] for row in found]
        with pytest.raises(DataError, match="reads JSON lines or Parquet"):
            predict(bundle, [write_rows(tmp_path / "in.txt", pairs(1))], tmp_path / "text")


def test_texts_of_a_line_of_single_texts(make_bundle: MakeBundle, tmp_path: Path) -> None:
    bundle = make_bundle("token_cls")
    (tmp_path / "in.txt").write_text("".join(f"{text}\n" for text in HARD), encoding="utf-8")
    summary = predict(bundle, [tmp_path / "in.txt"], tmp_path / "out")
    assert (summary.rows, summary.bad) == (len(HARD) - 1, 1)
    [bad] = rows_of(tmp_path / "out" / "in.bad.jsonl")
    assert bad["line"] == 2 and "2 column(s) where there should be 1" in bad["reason"]


def test_bad_rows_are_told_with_their_lines_and_the_others_go_on(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = b'{"sentence1": "\xe7\x94\xb2", "sentence2": "b", "big": 12345678901234567890.125}'
    lines = [
        good,
        b"{broken",
        b'{"sentence1": "a"}',
        b'{"sentence1": 7, "sentence2": "b"}',
        b"",
        b'{"sentence1": "\xff\xfe", "sentence2": "b"}',
        b"[1, 2]",
        b'{"sentence1": "\\ud83d", "sentence2": "b"}',
        b'{"sentence1": " ", "sentence2": "b"}',
        good,
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    summary = predict(bundle, [tmp_path / "in.jsonl"], tmp_path / "out", chunk_rows=3)
    assert (summary.rows, summary.bad, summary.blank) == (2, 7, 1)
    bad = rows_of(tmp_path / "out" / "in.bad.jsonl")
    assert [row["line"] for row in bad] == [2, 3, 4, 6, 7, 8, 9]
    assert all(row["path"] == str(tmp_path / "in.jsonl") and row["reason"] for row in bad)
    assert bad[0]["row"] == "{broken" and "\\xff" in bad[3]["row"] and "is not UTF-8" in bad[3]["reason"]
    written = (tmp_path / "out" / "in.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(line.startswith(good.decode()[:-1]) for line in written)  # the number with all its digits
    printed = capsys.readouterr()
    assert (
        printed.err.count("warning: no answer: ") == 3 and f"{tmp_path / 'in.jsonl'}:2: not valid JSON" in printed.err
    )
    assert "7 row(s) have no answer: they are in" in printed.err and "1 blank line(s) are left out" in printed.err
    assert printed.out.splitlines()[-1].startswith("2 rows, 7 bad rows, ")


def test_a_number_of_bad_rows_that_is_too_many_stops_the_run(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("甲\t乙\n" * 4 + "丙\n" * 3 + "甲\t乙\n" * 4, encoding="utf-8")
    with pytest.raises(DataError, match=r"2 row\(s\) cannot be read, and `max_bad_rows` is 1, the last: .*in.txt:6"):
        predict(bundle, [tmp_path / "in.txt"], tmp_path / "out", chunk_rows=2, max_bad_rows=1)
    predict(bundle, [tmp_path / "in.txt"], tmp_path / "whole", chunk_rows=2)
    predict(bundle, [tmp_path / "in.txt"], tmp_path / "out", chunk_rows=2, max_bad_rows=3, resume=True)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_stray_quotation_marks_and_columns_cost_one_line_each(bundle: Bundle, tmp_path: Path) -> None:
    text = 'text_a,text_b\n甲,乙\n"丙,丁\n戊,己\n庚,辛,壬\n"x\ny","a ""b"" c"\nz"q",乙\n"a"b,乙\n癸,"子'
    (tmp_path / "in.csv").write_text(text, encoding="utf-8")
    predict(bundle, [tmp_path / "in.csv"], tmp_path / "out")
    found = [(row["text_a"], row["text_b"]) for row in rows_of(tmp_path / "out" / "in.jsonl")]
    assert found == [("甲", "乙"), ("戊", "己"), ("x\ny", 'a "b" c'), ('z"q"', "乙")]
    assert [row["line"] for row in rows_of(tmp_path / "out" / "in.bad.jsonl")] == [3, 5, 9, 10]


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
def test_encodings(bundle: Bundle, tmp_path: Path, codec: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = pairs(40)
    plain = write_rows(tmp_path / "a.tsv", rows)
    predict(bundle, [plain], tmp_path / "out")
    other = tmp_path / codec / "a.tsv"
    other.parent.mkdir()
    other.write_bytes(plain.read_text(encoding="utf-8").encode(codec))
    if codec != "utf-8-sig":
        with pytest.raises(DataError, match="not UTF-8"):
            predict(bundle, [other], tmp_path / "refused")
        assert not (tmp_path / "refused").exists()
    predict(bundle, [other], tmp_path / codec / "out", **_reading("auto"))
    assert files_of(tmp_path / codec / "out") == files_of(tmp_path / "out")
    assert (", by its bytes" in capsys.readouterr().err) == (codec != "utf-8-sig")


def _reading(encoding: str) -> dict[str, Any]:
    from ernie_toolkit.data.file_options import FileOptions

    return {"reading": FileOptions(encoding=encoding)}


def test_a_name_of_the_answers_in_the_file(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{**row, "label": "mine"} for row in pairs(6)]
    source = write_rows(tmp_path / "in.jsonl", rows)
    predict(bundle, [source], tmp_path / "out")
    [first, *_] = rows_of(tmp_path / "out" / "in.jsonl")
    assert first["label"] == "mine" and first["predicted_label"] in ("0", "1") and "confidence" not in first
    assert "it has the column(s) label, as the answers do: theirs begin with predicted_" in capsys.readouterr().err
    predict(bundle, [source], tmp_path / "named", answer_prefix="ernie_")
    assert "ernie_label" in rows_of(tmp_path / "named" / "in.jsonl")[0]
    with pytest.raises(DataError, match=r"has the column.s. label, as the answers do: give another `answer_prefix`"):
        predict(bundle, [source], tmp_path / "refused", answer_prefix="")
    late = write_rows(tmp_path / "late.jsonl", [*pairs(101), *rows])
    assert predict(bundle, [late], tmp_path / "late").bad == 6
    assert "give --answer_prefix" in rows_of(tmp_path / "late" / "late.bad.jsonl")[0]["reason"]


def test_inputs_of_one_name(bundle: Bundle, tmp_path: Path) -> None:
    names = ["x/a.jsonl", "y/a.jsonl", "y/a.tsv", "y/b.jsonl", "y/b.bad.txt", "y/c.txt"]
    sources = [write_rows(tmp_path / "in" / name, pairs(count)) for count, name in enumerate(names, 1)]
    predict(bundle, sources, tmp_path / "out")
    found = {name: text.count(b"\n") for name, text in files_of(tmp_path / "out").items()}
    expected = ["x/a.jsonl", "y/a.jsonl.jsonl", "y/a.tsv.jsonl", "y/b.jsonl.jsonl", "y/b.bad.txt.jsonl", "c.jsonl"]
    assert sorted(found.values()) == [1, 2, 3, 4, 5, 6] and len(found) == len(expected)
    assert found["x/a.jsonl"] == 1 and found["c.jsonl"] == 6


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["nothing.jsonl"], "no such file"),
        (["*.jsonk"], "matches no file"),
        (["."], "is a directory: give the files in it"),
        (["in.xml"], "its ending is not known"),
        (["in.parquet"], "no Parquet file that can be read"),
        (["list.jsonl"], "a JSON list"),
        (["gz.jsonl"], "a gzip file"),
        (["other.jsonl"], "none of its first 2 row.s. can be read, the first: .*the fields are 'a'"),
        (["three.csv"], "3 column.s., none with a name that texts have, and the model reads 2"),
        (["one.csv"], "the model reads 2 text.s., and 1 of its columns are texts by their names"),
        (["twice.csv"], "two columns are named 'text_a'"),
    ],
)
def test_what_cannot_be_read_at_all_is_told_before_anything_is_done(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "good.jsonl", pairs(3))
    for name in ("in.xml", "in.parquet", "list.jsonl"):
        (tmp_path / name).write_text('[{"sentence1": "a", "sentence2": "b"}]', encoding="utf-8")
    (tmp_path / "gz.jsonl").write_bytes(b"\x1f\x8b\x08\x00")
    (tmp_path / "other.jsonl").write_text('{"a": 1}\n{"a": 2}\n', encoding="utf-8")
    (tmp_path / "three.csv").write_text("甲,乙,丙\n", encoding="utf-8")
    (tmp_path / "one.csv").write_text("text,source\n甲,乙\n", encoding="utf-8")
    (tmp_path / "twice.csv").write_text("text_a,text_a\n甲,乙\n", encoding="utf-8")
    with pytest.raises(ToolkitError, match=message):
        predict(bundle, [Path("good.jsonl"), *map(Path, inputs)], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_output_that_would_harm_an_input(bundle: Bundle, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in" / "a.jsonl", pairs(3))
    before = source.read_bytes()
    for output in (source.parent, tmp_path, source, source / "below"):
        with pytest.raises(ConfigError, match="give a directory of its own"):
            predict(bundle, [source], output)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.jsonl").hardlink_to(source)
    with pytest.raises(ConfigError, match=r"is the input .* by another name"):
        predict(bundle, [source], tmp_path / "out", overwrite=True)
    assert source.read_bytes() == before


def test_the_users_columns(bundle: Bundle, tmp_path: Path) -> None:
    from ernie_toolkit.data.file_options import FileOptions

    rows = [{"u": row["sentence1"], "v": row["sentence2"], "text": "别的"} for row in pairs(4)]
    reading = FileOptions(text_column="u", text_pair_column="v")
    expected = predict(bundle, [write_rows(tmp_path / "a.txt", pairs(4))], tmp_path / "plain") and [
        row["label"] for row in rows_of(tmp_path / "plain" / "a.jsonl")
    ]
    for form in ("jsonl", "csv", "parquet"):
        predict(bundle, [write_rows(tmp_path / f"in.{form}", rows)], tmp_path / form, reading=reading)
        assert [row["label"] for row in rows_of(tmp_path / form / "in.jsonl")] == expected
    with pytest.raises(DataError, match="no column 'w': its columns are 'u', 'v', 'text'"):
        wrong = FileOptions(text_column="u", text_pair_column="w")
        predict(bundle, [tmp_path / "in.csv"], tmp_path / "wrong", reading=wrong)


def test_empty_files_have_empty_answers(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "b.csv").write_text("text_a,text_b\n\n", encoding="utf-8")
    summary = predict(bundle, [tmp_path / "a.jsonl", tmp_path / "b.csv"], tmp_path / "out")
    assert summary.rows == 0 and files_of(tmp_path / "out") == {"a.jsonl": b"", "b.jsonl": b""}
    assert capsys.readouterr().err.count("no row in it") == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "--input without --output"),
        (["--output", "o", "--text", "a"], "--input and --text exclude each other"),
        (["--output", "o", "--num_threads", "2"], "--input and --num_threads exclude each other"),
        (["--output", "o", "--resume", "--overwrite_output_dir"], "exclude each other"),
        (["--output", "o", "--text_pair_column", "b"], "name the first with --text_column"),
        (["--output", "o", "--on_error", "skip"], "--on_error is for --input_file"),
        (["--output", "o", "--workers", "0"], "--workers is 0: it must"),
    ],
)
def test_options_that_do_not_fit(root: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str) -> None:
    from script_parsers import load

    script = load(root / "deploy" / "predictor" / "infer_cpu.py")
    with pytest.raises(SystemExit) as ended:
        script.main(["--model_path", "nowhere", "--input", "in.jsonl", *more])
    printed = capsys.readouterr().err
    assert ended.value.code == 2 and message in printed and printed.count("\n") == 1
    with pytest.raises(SystemExit):
        script.main(["--model_path", "nowhere", "--resume"])
    assert "--resume is for files that --input names" in capsys.readouterr().err


def test_a_user_runs_it_with_two_workers(bundle: Bundle, tmp_path: Path) -> None:
    rows = pairs(30)
    for form in ("jsonl", "csv"):
        write_rows(tmp_path / "in" / f"{form}s.{form}", rows)
    done = run(bundle, [f"{tmp_path}/in/*.*"], tmp_path / "out", "--workers", "2", "--chunk_rows", "4")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("engine: onnxruntime fp32") == 1
    assert done.stdout.splitlines()[-1].startswith("60 rows, 0 bad rows, ")
    predict(bundle, sorted((tmp_path / "in").iterdir()), tmp_path / "here", chunk_rows=4)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "here")
    again = run(bundle, [f"{tmp_path}/in/*.*"], tmp_path / "out")
    assert again.returncode == 2 and "is there already: go on with --resume" in again.stderr
    assert again.stderr.count("\n") == 1
    assert json.loads((tmp_path / "out" / "predict.json").read_text(encoding="utf-8"))["options"]["chunk_rows"] == 4
