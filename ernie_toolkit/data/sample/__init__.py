"""The embedded sample: data in the official formats from grammars of the toolkit's own, and a vocabulary.

Every set is drawn from a seed and is the same on every Python version. No row of one split is in another.
The metrics of a run on it show that the toolkit works, and nothing about the official set.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ernie_toolkit.data.forms import form_of
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
    "c3": ("dialogues", "generate"),
    "chid": ("idioms", "generate"),
}


def generate(name: str, seed: int = SAMPLE_SEED) -> dict[str, list[Row]]:
    """The rows of every split of a set's sample, as the official files hold them (no labels in `test`).

    Args:
        name: The data set, as in `DATASETS`.
        seed: The seed that rows are drawn with.

    Raises:
        ConfigError: Where there is no sample of the set.
    """
    if name not in _GRAMMARS:
        raise ConfigError(f"there is no sample of data set '{name}': use one of {', '.join(_GRAMMARS)}")
    module, function = _GRAMMARS[name]
    splits: dict[str, list[Row]] = getattr(import_module(f"{__name__}.{module}"), function)(seed)
    form = form_of(get_spec(name).task_name)
    splits["test"] = [form.hidden(row, index) for index, row in enumerate(splits["test"])]
    return splits


def write_sample(name: str, directory: Path, seed: int = SAMPLE_SEED) -> dict[str, Path]:
    """Write the sample of a set as files with the official names; return the path of each split's first file.

    msra_ner has a character and its tag a line (in `test` the character alone) and a blank line after each sentence,
    cmrc2018 is SQuAD's JSON, c3 two files of nested lists, the others have a JSON object a line, chid with the answers
    in a second file. Each file is written whole or not at all.

    Args:
        name: The data set, as in `DATASETS`.
        directory: Gets the files.
        seed: The seed that rows are drawn with.

    Raises:
        ConfigError: Where there is no sample of the set.
    """
    spec = get_spec(name)
    form = form_of(spec.task_name)
    paths = {}
    for split, rows in generate(name, seed).items():
        paths[split] = directory / spec.files[split][0]
        write_text(paths[split], form.file_text(rows))
        for path, text in form.companions(paths[split], rows).items():
            write_text(path, text)
    return paths
