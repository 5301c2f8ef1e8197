"""Paths that people and files give: which texts can be one, and where they lead."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

# Bytes of a name and of a path on Linux; what is written into a directory needs room for its own name.
MAX_NAME, MAX_PATH = 255, 4095 - 255


def path_problem(text: str) -> str:
    """Return in a few words why a text cannot be a file's path; empty where it can.

    Names in other bytes than UTF-8 are refused: they could not be written into the reports that name them.
    """
    if not text.strip():
        return "an empty path"
    if "\0" in text:
        return "a path with a zero byte"
    try:
        # A locale without Chinese keeps the bytes of such names.
        name = os.fsencode(text)
        name.decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return "a path in other bytes than UTF-8"
    if len(name) > MAX_PATH:
        return f"a path of {len(name):,} bytes, and {MAX_PATH:,} are the most"
    longest = max(len(part) for part in name.split(os.fsencode(os.sep)))
    return f"a path with a name of {longest:,} bytes, and {MAX_NAME} are the most" if longest > MAX_NAME else ""


def path_text(text: str) -> str:
    """Return a path from the command line or a configuration file.

    Raises:
        ArgumentTypeError: Argparse's, where no file can have it.
    """
    problem = path_problem(text)
    if problem:
        raise argparse.ArgumentTypeError(f"{problem}: give another")
    return text


def leads_out(path: Path, directory: Path) -> bool:
    """Return whether a path lies outside of a directory, with the links of both followed.

    Args:
        path: A path, of a link or not.
        directory: Where it should lie.
    """
    inside, root = path.resolve(), directory.resolve()
    return root != inside and root not in inside.parents


def utf8_text(text: str) -> str:
    """Return an address or a name from the command line.

    Raises:
        ArgumentTypeError: Argparse's, where its bytes are not UTF-8.
    """
    try:
        os.fsencode(text).decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        raise argparse.ArgumentTypeError("other bytes than UTF-8: give another") from None
    return text
