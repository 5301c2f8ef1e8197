"""The embedded sample: data in the official formats from grammars of the toolkit's own, and a vocabulary.

Every set is drawn from a seed and is the same on every Python version. No row of one split is in another.
The figures of a run on it show that the toolkit works, and nothing about the official set.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import groupby
from pathlib import Path

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.data.registry import get_spec
from ernie_toolkit.data.sample.grammar import Row
from ernie_toolkit.data.sample.vocabulary import sample_vocab
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import write_text

__all__ = ["SAMPLE_SEED", "generate", "sample_vocab", "write_sample"]

SAMPLE_SEED = 20201210

# Module and function of each set's grammar, imported when it is asked for.
_GRAMMARS = {
    "afqmc": ("questions", "generate"),
    "tnews": ("headlines", "generate"),
    "iflytek": ("apps", "generate"),
    "ocnli": ("entailment", "generate_ocnli"),
    "cmnli": ("entailment", "generate_cmnli"),
    "cluewsc2020": ("pronouns", "generate"),
    "csl": ("abstracts", "generate"),
    "msra_ner": ("entities", "generate"),
    "cmrc2018": ("readings", "generate"),
}


def generate(name: str, seed: int = SAMPLE_SEED) -> dict[str, list[Row]]:
    """The rows of every split of a set's sample, as the official files hold them (no labels in `test`).

    Raises ConfigError where there is no sample of the set.
    """
    if name not in _GRAMMARS:
        raise ConfigError(f"there is no sample of data set '{name}': use one of {', '.join(_GRAMMARS)}")
    module, function = _GRAMMARS[name]
    splits: dict[str, list[Row]] = getattr(import_module(f"{__name__}.{module}"), function)(seed)
    hide = _HIDING.get(get_spec(name).task_name, _without_label)
    splits["test"] = [hide(row, index) for index, row in enumerate(splits["test"])]
    return splits


def write_sample(name: str, directory: Path, seed: int = SAMPLE_SEED) -> dict[str, Path]:
    """Write the sample of a set as files with the official names into `directory`; return their paths.

    msra_ner has a character and its tag a line (in `test` the character alone) and a blank line after each
    sentence, cmrc2018 is SQuAD's JSON, the others have a JSON object a line. Each file is written whole or not
    at all. Raises ConfigError where there is no sample of the set.
    """
    spec = get_spec(name)
    to_text = _TO_TEXT.get(spec.task_name, _json_lines)
    paths = {}
    for split, rows in generate(name, seed).items():
        paths[split] = directory / spec.files[split][0]
        write_text(paths[split], to_text(rows))
    return paths


def _without_label(row: Row, index: int) -> Row:
    hidden = ("label", "label_desc", "label_des")
    return ({} if "idx" in row else {"id": index}) | {field: row[field] for field in row if field not in hidden}


def _json_lines(rows: Sequence[Row]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _columns(rows: Sequence[Row]) -> str:
    sentences = []
    for row in rows:
        tags = row.get("labels")
        lines = row["tokens"] if tags is None else map(" ".join, strict_zip(row["tokens"], tags))
        sentences.append("".join(f"{line}\n" for line in lines))
    return "".join(f"{sentence}\n" for sentence in sentences)


def _squad(rows: Sequence[Row]) -> str:
    entries = []
    for _, group in groupby(rows, key=lambda row: str(row["context"])):
        questions = list(group)
        first = questions[0]
        name = first["id"].rpartition("_QUERY_")[0]
        qas = [{field: row[field] for field in ("id", "question", "answers")} for row in questions]
        paragraph = {"id": name, "context": first["context"], "qas": qas}
        entries.append({"title": first["title"], "id": name, "paragraphs": [paragraph]})
    return json.dumps({"version": "v1.0", "data": entries}, ensure_ascii=False, indent=1) + "\n"


# By task; sequence classification has the forms of CLUE.
_HIDING: dict[str, Callable[[Row, int], Row]] = {
    "token_cls": lambda row, _: {"tokens": row["tokens"]},
    "qa": lambda row, _: {**row, "answers": []},
}
_TO_TEXT: dict[str, Callable[[Sequence[Row]], str]] = {"token_cls": _columns, "qa": _squad}
