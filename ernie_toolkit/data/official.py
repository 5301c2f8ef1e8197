"""The official data sets: PaddleNLP's cache and PaddleNLP's downloads."""

import hashlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ernie_toolkit.data.registry import DatasetSpec, Split
from ernie_toolkit.errors import DownloadError

_URL = "https://bj.bcebos.com/paddlenlp/datasets/{name}_public.zip"

PROBE_SECONDS = 6.0
"""How long a server may take to answer at all before the network counts as missing."""

UNPACK_SECONDS = 120.0
"""How long one process waits for another to unpack what was downloaded."""


def data_home() -> Path:
    """The directory of PaddleNLP's data sets: `$PPNLP_HOME/datasets`, else `~/.paddlenlp/datasets`."""
    home = os.environ.get("PPNLP_HOME")
    return (Path(home) if home else Path.home() / ".paddlenlp") / "datasets"


def cache_directory(name: str) -> Path:
    """Where PaddleNLP keeps the files of one of CLUE's sets."""
    return data_home() / "Clue" / f"{name}_public"


def cached_file(spec: DatasetSpec, split: Split) -> Path | None:
    """The file of a split in PaddleNLP's cache, or None. Any file that lies there is taken: one put there
    by hand need not be the published version byte for byte, and must not be overwritten by a download."""
    for name in spec.files[split]:
        path = cache_directory(spec.name) / name
        if path.is_file() and path.stat().st_size > 0:
            return path
    return None


def official_files(spec: DatasetSpec, splits: Sequence[Split]) -> dict[Split, Path]:
    """Paths of the official files of some splits, downloaded by PaddleNLP's own loader where missing.

    Files in the cache are used without the network and without importing paddlenlp. Raises DownloadError
    within about `PROBE_SECONDS` where the server cannot be reached.
    """
    found = {split: cached_file(spec, split) for split in splits}
    if any(path is None for path in found.values()):
        _probe(spec)
        builder = _builder(spec)
        for split in splits:
            if found[split] is None:
                found[split] = _download(builder, spec, split)
    return {split: path for split, path in found.items() if path is not None}


def _help(spec: DatasetSpec) -> str:
    names = ", ".join(names[0] for names in spec.files.values())
    return f"put {names} into {cache_directory(spec.name)} by hand, or give their folder with --data_dir"


def _probe(spec: DatasetSpec) -> None:
    """Ask the server for the file's headers: PaddleNLP's downloader has no time limit of its own."""
    import http.client  # slow to import, and needed only where something has to be downloaded
    import urllib.error
    import urllib.request

    url = _URL.format(name=spec.name)
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
    try:
        from paddlenlp.datasets.clue import Clue
    except ImportError as error:
        raise DownloadError(
            f"data set '{spec.name}' is downloaded through paddlenlp, which cannot be imported ({error}): {_help(spec)}"
        ) from None
    return Clue(name=spec.name)


def _download(builder: Any, spec: DatasetSpec, split: Split) -> Path:
    try:
        path = Path(builder._get_data(split))
    except Exception as error:  # RuntimeError, OSError, zipfile's and httpx's own: no common class
        raise DownloadError(f"data set '{spec.name}' could not be downloaded ({error}): {_help(spec)}") from None
    # With several processes one of them downloads and unpacks, and the others come here before it is done.
    alone = os.environ.get("PADDLE_TRAINERS_NUM", "1") == "1"
    published = builder.BUILDER_CONFIGS[spec.name]["splits"][split][1]
    end = time.monotonic() + (0.0 if alone else UNPACK_SECONDS)
    while not (path.is_file() and _md5(path) == published):
        if time.monotonic() > end:
            raise DownloadError(
                f"data set '{spec.name}' was downloaded, but {path} is not the published file: {_help(spec)}"
            )
        time.sleep(0.5)
    return path


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
