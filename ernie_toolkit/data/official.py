"""The official data sets: PaddleNLP's cache and PaddleNLP's downloads."""

from __future__ import annotations

import hashlib
import importlib
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.data.registry import SPLITS, DatasetSpec, Split
from ernie_toolkit.errors import DownloadError

_SERVER = "https://bj.bcebos.com/paddlenlp/datasets"

PROBE_SECONDS = 6.0
"""How long a server may take to answer at all before the network counts as missing."""

UNPACK_SECONDS = 120.0
"""How long one process waits for another to unpack what was downloaded."""


@dataclass(frozen=True)
class OfficialSource:
    """What PaddleNLP knows of a data set.

    Attributes:
        loader: The module and the class of its loader.
        folder: Where that keeps the files, below `data_home`.
        files: For each split the file's name.
        parts: For each split the loader's word for it.
        urls: For each split what is downloaded; empty where PaddleNLP does not have the set.
        by_hand: Names of the files to put there by hand, where they are not `files`.
    """

    loader: tuple[str, str]
    folder: Path
    files: Mapping[Split, str]
    parts: Mapping[Split, str]
    urls: Mapping[Split, str]
    by_hand: tuple[str, ...] = ()


_PARTS: dict[Split, str] = {split: split for split in SPLITS}
_CMRC2018_FILES: dict[Split, str] = {
    "train": "cmrc2018_train.json",
    "dev": "cmrc2018_dev.json",
    "test": "cmrc2018_trial.json",
}
_OTHER_SOURCES = {
    # No dev part is published: the test part serves, as it does in the published guides.
    "msra_ner": OfficialSource(
        loader=("paddlenlp.datasets.msra_ner", "MsraNer"),
        folder=Path("MsraNer", "msra_ner"),
        files={"train": "train.tsv", "dev": "test.tsv", "test": "test.tsv"},
        parts={**_PARTS, "dev": "test"},
        urls=dict.fromkeys(SPLITS, f"{_SERVER}/msra_ner.tar.gz"),
    ),
    # PaddleNLP's loader of CLUE has no cmrc2018, and its own loader of the set has no test part: the trial part
    # of the challenge, which has answers, serves in its place.
    "cmrc2018": OfficialSource(
        loader=("paddlenlp.datasets.cmrc2018", "CMRC2018"),
        folder=Path("CMRC2018"),
        files=_CMRC2018_FILES,
        parts={**_PARTS, "test": "trial"},
        urls={split: f"{_SERVER}/cmrc/{name}" for split, name in _CMRC2018_FILES.items()},
    ),
    # Each split is two files; the second, c3-m-*.json, is downloaded and read with the first.
    "c3": OfficialSource(
        loader=("paddlenlp.datasets.c3", "C3"),
        folder=Path("C3"),
        files={split: f"{split}/c3-d-{split}.json" for split in SPLITS},
        parts=_PARTS,
        urls={split: f"{_SERVER}/c3/c3-d-{split}.json" for split in SPLITS},
        by_hand=tuple(f"c3-{part}-{split}.json" for split in SPLITS for part in "dm"),
    ),
    # PaddleNLP has a loader of a few hundred rows of it only, in another form: there is nothing to download.
    "chid": OfficialSource(
        loader=("", ""),
        folder=Path("Clue", "chid_public"),
        files={split: f"{split}.json" for split in SPLITS},
        parts=_PARTS,
        urls={},
        by_hand=("train.json", "train_answer.json", "dev.json", "dev_answer.json", "test.json"),
    ),
}


def official_source(spec: DatasetSpec) -> OfficialSource:
    """Where PaddleNLP has a data set; every set that has no entry of its own is one of CLUE's."""
    if spec.name in _OTHER_SOURCES:
        return _OTHER_SOURCES[spec.name]
    return OfficialSource(
        loader=("paddlenlp.datasets.clue", "Clue"),
        folder=Path("Clue", f"{spec.name}_public"),
        files={split: spec.files[split][0] for split in SPLITS},
        parts=_PARTS,
        urls=dict.fromkeys(SPLITS, f"{_SERVER}/{spec.name}_public.zip"),
    )


def data_home() -> Path:
    """The directory of PaddleNLP's data sets: `$PPNLP_HOME/datasets`, else `~/.paddlenlp/datasets`."""
    home = os.environ.get("PPNLP_HOME")
    return (Path(home) if home else Path.home() / ".paddlenlp") / "datasets"


def cache_directory(spec: DatasetSpec) -> Path:
    """Where PaddleNLP keeps the files of a data set."""
    return data_home() / official_source(spec).folder


def cached_file(spec: DatasetSpec, split: Split) -> Path | None:
    """The file of a split in PaddleNLP's cache, or None.

    Any file that lies there is taken: one put there by hand need not be the published version byte for byte, and must
    not be overwritten by a download.

    Args:
        spec: The data set.
        split: The split.
    """
    for name in (official_source(spec).files[split], *spec.files[split]):
        path = cache_directory(spec) / name
        if path.is_file() and path.stat().st_size > 0:
            return path
    return None


def official_files(spec: DatasetSpec, splits: Sequence[Split]) -> dict[Split, Path]:
    """Paths of the official files of some splits, downloaded by PaddleNLP's own loader where missing.

    Files in the cache are used without the network and without importing paddlenlp.

    Args:
        spec: The data set.
        splits: The splits that are needed.

    Raises:
        DownloadError: Within about `PROBE_SECONDS` where the server cannot be reached.
    """
    found = {split: cached_file(spec, split) for split in splits}
    missing = [split for split in splits if found[split] is None]
    if missing:
        if not official_source(spec).urls:
            raise DownloadError(f"PaddleNLP does not download data set '{spec.name}': {_help(spec)}")
        _probe(spec, official_source(spec).urls[missing[0]])
        builder = _builder(spec)
        for split in missing:
            found[split] = _download(builder, spec, split)
    return {split: path for split, path in found.items() if path is not None}


def _help(spec: DatasetSpec) -> str:
    source = official_source(spec)
    names = ", ".join(source.by_hand or dict.fromkeys(source.files.values()))
    return (
        f"put {names} into {cache_directory(spec)} by hand, give their folder with `data_dir`, or try the toolkit's "
        "generated sample with `data_source` sample"
    )


def _probe(spec: DatasetSpec, url: str) -> None:
    """Ask the server for the file's headers: PaddleNLP's downloader has no time limit of its own."""
    import http.client  # slow to import, and needed only where something has to be downloaded
    import urllib.error
    import urllib.request

    failure: list[str] = ["no answer"]

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=PROBE_SECONDS):
                failure.clear()
        except urllib.error.HTTPError as error:
            failure[0] = f"HTTP status {error.code}"
        except urllib.error.URLError as error:
            # Certificates are the downloader's own matter: it brings its own list of authorities.
            if "CERTIFICATE" in str(error.reason).upper():
                failure.clear()
            else:
                failure[0] = str(error.reason)
        except (OSError, ValueError, http.client.HTTPException) as error:
            failure[0] = str(error) or type(error).__name__

    # Name resolution obeys no timeout of urllib's: the question is asked in a thread that can be left behind.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    for reason in tuple(failure):
        host = urlsplit(url).hostname
        raise DownloadError(f"data set '{spec.name}' cannot be downloaded from {host} ({reason}): {_help(spec)}")


def _builder(spec: DatasetSpec) -> Any:
    module, name = official_source(spec).loader
    try:
        loader = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise DownloadError(
            f"data set '{spec.name}' is downloaded through paddlenlp, which cannot be imported ({error}): {_help(spec)}"
        ) from None
    return loader(name=spec.name)


def _download(builder: Any, spec: DatasetSpec, split: Split) -> Path:
    part = official_source(spec).parts[split]
    try:
        got = builder._get_data(part)
        paths = [Path(path) for path in (got if isinstance(got, list) else [got])]
    except Exception as error:  # RuntimeError, OSError, zipfile's and httpx's own: no common class
        raise DownloadError(f"data set '{spec.name}' could not be downloaded ({error}): {_help(spec)}") from None
    # With several processes one of them downloads and unpacks, and the others come here before it is done.
    alone = os.environ.get("PADDLE_TRAINERS_NUM", "1") == "1"
    known = builder.BUILDER_CONFIGS[spec.name]["splits"] if hasattr(builder, "BUILDER_CONFIGS") else builder.SPLITS
    files = known[part] if isinstance(got, list) else [known[part]]
    end = time.monotonic() + (0.0 if alone else UNPACK_SECONDS)
    for path, file in strict_zip(paths, files):
        while not (path.is_file() and _md5(path) == file[1]):  # the second entry of every table is the file's MD5
            if time.monotonic() > end:
                raise DownloadError(
                    f"data set '{spec.name}' was downloaded, but {path} is not the published file: {_help(spec)}"
                )
            time.sleep(0.5)
    return paths[0]


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
