"""What the analysis scripts must never do: lose a file, leak dev rows, change labels, leave files elsewhere."""

import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ernie_toolkit.arguments.options import check_option_ranges
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.multi_label.analysis import lexicons
from ernie_toolkit.multi_label.analysis.augmentation import REPLACERS, STRATEGIES, augment, edited
from ernie_toolkit.multi_label.analysis.lexicons import words_of
from ernie_toolkit.multi_label.checks import check_targets, unknown_texts
from ernie_toolkit.multi_label.options import TrainedOptions

# Words with synonyms and homonyms, others without, signs, spaces, letters, a character outside the first plane.
PIECES = [
    "原告",
    "被告",
    "要求",
    "依法",
    "离婚",
    "孩子",
    "连忙",
    "感情",
    "，",
    "。",
    " ",
    "2015",
    "iPhone",
    "😀",
    "㐀",
    "王",
]
SENTENCES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=20).map("".join).filter(str.strip)
LABELS = st.lists(st.sampled_from(["甲", "乙", "丙"]), unique=True).map(lambda found: tuple(sorted(found)))
ROWS = st.lists(st.tuples(SENTENCES, LABELS), min_size=1, max_size=4, unique_by=lambda row: row[0])


@settings(max_examples=80, deadline=None)
@given(
    ROWS,
    st.sampled_from([*STRATEGIES, "mix"]),
    st.sampled_from(sorted(REPLACERS)),
    st.integers(1, 3),
    st.floats(0.05, 1.0),
    st.integers(0, 99),
)
def test_new_rows_are_new_and_keep_labels(
    pairs: list[tuple[str, tuple[str, ...]]], strategy: str, kind: str, create: int, percent: float, seed: int
) -> None:
    rows = [{"sentence": text, "labels": labels} for text, labels in pairs]
    made = augment(rows, strategy, REPLACERS[kind], create, percent, seed)
    assert made == augment(rows, strategy, REPLACERS[kind], create, percent, seed)
    texts = [row["sentence"] for row in made]
    assert len({*texts, *(text for text, _ in pairs)}) == len(texts) + len(pairs)
    assert not any(sign in text for text in texts for sign in "\t\r\n") and all(text.strip() for text in texts)
    # Labels as the rows have them, in the rows' order, at most `create` times each.
    expected = iter([labels for _, labels in pairs for _ in range(create)])
    assert all(row["labels"] in expected for row in made)


@settings(max_examples=80, deadline=None)
@given(SENTENCES, st.sampled_from(sorted(REPLACERS)), st.floats(0.05, 1.0), st.integers(0, 99))
def test_no_more_words_are_substituted_than_asked(text: str, kind: str, percent: float, seed: int) -> None:
    words = words_of(text)
    touched: list[int] = []

    def watched(given: list[str], places: list[int], draw: random.Random) -> list[str | None]:
        found = REPLACERS[kind](given, places, draw)
        touched.extend(place for place, word in zip(places, found, strict=True) if word is not None)
        return [None if word is None else f"<{place}>" for place, word in zip(places, found, strict=True)]

    result = edited(words, "substitute", watched, percent, random.Random(seed))
    wanted = min(len(touched), max(1, round(percent * len(words))))
    assert (result is None) == (not touched)
    if result is not None:
        kept = "".join(f"<{place}>" if f"<{place}>" in result else word for place, word in enumerate(words))
        assert result == kept and result.count("<") == wanted


@pytest.mark.parametrize("strategy", ["substitute", "insert"])
def test_no_more_words_are_masked_than_come_in(strategy: str) -> None:
    # Every other word has no replacement: more have to be asked for, but not at once.
    words, asked = [f"词{number}" for number in range(20)], []

    def watched(given: list[str], places: list[int], draw: random.Random) -> list[str | None]:
        asked.append((given, places))
        return [None if int(given[place][1:]) % 2 else "新" for place in places]

    result = edited(words, strategy, watched, 0.25, random.Random(1))
    assert result is not None and result.count("新") == 5
    assert max(len(places) for _, places in asked) <= 5 < sum(len(places) for _, places in asked)
    if strategy == "insert":
        # A place of its own behind the word, which is still there to be read.
        assert all(given[place] == given[place - 1] and len(given) == 21 for given, (place,) in asked)


def test_words_change_places_with_words_only() -> None:
    words = ["被告", "不", "同意", "。", "双方"]
    for seed in range(30):
        made = edited(words, "swap", REPLACERS["synonym"], 0.2, random.Random(seed))
        assert made in ("不被告同意。双方", "被告同意不。双方")


def test_segmentation_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lexicons._tokenizer.cache_clear()
    assert words_of("原告要求离婚") == ["原告", "要求", "离婚"]
    assert not list(tmp_path.iterdir())


def test_files_that_must_not_be_overwritten(tmp_path: Path) -> None:
    label, out = tmp_path / "label.txt", tmp_path / "out.txt"
    check_targets({"dirty_file": out}, {"label_file": label})
    again = tmp_path / "x" / ".." / "label.txt"
    for written, read in ((again, label), (label, again)):
        with pytest.raises(ConfigError, match="`dirty_file` and `label_file` are the same file"):
            check_targets({"dirty_file": written}, {"label_file": read})
    with pytest.raises(ConfigError, match="`rest_file` and `dirty_file` are the same file"):
        check_targets({"dirty_file": out, "rest_file": out}, {})
    with pytest.raises(ConfigError, match="it is a folder"):
        check_targets({"dirty_file": tmp_path}, {})
    with pytest.raises(ConfigError, match="`batch_size` is 0: it must be at least 1"):
        check_option_ranges(TrainedOptions(batch_size=0))


def test_texts_nobody_has_labelled() -> None:
    where = Path("data.txt")
    assert unknown_texts(["丁", "甲", "丙", "丁"], ["甲", "乙"], where) == ["丁", "丙"]
    with pytest.raises(DataError, match=r"data\.txt: all of its texts have labels"):
        unknown_texts(["甲", "甲"], ["甲"], where)


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("sparse.py", ("--sparse_file", "label.txt"), "--sparse_file and --label_file are the same file"),
        ("sparse.py", ("--support_file", "data.txt"), "--support_file and --unlabeled_file are the same file"),
        ("sparse.py", ("--sparse_file", "support.txt"), "--support_file and --sparse_file are the same file"),
        ("sparse.py", ("--batch_size", "0"), "--batch_size is 0"),
        ("sparse.py", ("--aug_percent", "0"), "--aug_percent is 0.0"),
        ("dirty.py", ("--dirty_file", "label.txt"), "--dirty_file and --label_file are the same file"),
        ("dirty.py", ("--rest_file", "dev.txt"), "--rest_file and --dev_file are the same file"),
        ("dirty.py", ("--batch_size", "-1"), "--batch_size is -1"),
        ("dirty.py", ("--dirty_file", "test.txt"), "--dirty_file and test.txt are the same file"),
        ("dirty.py", ("--seed", "-1"), "--seed is -1"),
        ("evaluate.py", ("--bad_case_file", "{data}/dev.txt"), "--bad_case_file and --dev_file are the same file"),
    ],
)
def test_refused_before_anything_is_touched(
    root: Path, tmp_path: Path, script: str, arguments: tuple[str, ...], message: str
) -> None:
    for name in ("train", "dev", "label", "data"):
        (tmp_path / f"{name}.txt").write_text("甲\t甲\n", encoding="utf-8")
    script_path = str(root / "multi_label/analysis" / script)
    given = [argument.format(data=tmp_path) for argument in arguments]
    command = [sys.executable, script_path, "--dataset_dir", str(tmp_path), *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.txt", "dev.txt", "label.txt", "train.txt"]
    assert all(path.read_text(encoding="utf-8") == "甲\t甲\n" for path in tmp_path.iterdir())


def test_a_directory_is_no_target(root: Path, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("甲\t甲\n", encoding="utf-8")
    command = [sys.executable, str(root / "multi_label/analysis/aug.py"), "--train_path", str(tmp_path / "train.txt")]
    done = subprocess.run(
        [*command, "--aug_path", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2 and "it is a folder" in done.stderr and "Traceback" not in done.stderr
