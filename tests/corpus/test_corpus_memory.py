"""Rows without end: memory does not grow with the file, and the figures of benchmarks/corpus.py hold together."""

import sys
from pathlib import Path

import pytest
from script_parsers import load

from ernie_toolkit.bundle import Bundle

GROWTH = 24 << 20  # bytes; the file itself is larger


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read in /proc")
def test_memory_does_not_grow_with_the_file(root: Path, bundle: Bundle, tmp_path: Path) -> None:
    benchmark = load(root / "benchmarks" / "corpus.py")
    source = tmp_path / "pairs.jsonl"
    with source.open("w", encoding="utf-8") as stream:
        for number in range(25_000):
            stream.write(f'{{"sentence1": "怎么还款", "sentence2": "如何还款", "more": "{number:05}{"x" * 2000}"}}\n')
    assert source.stat().st_size > 2 * GROWTH
    options = [
        "--model_path",
        str(bundle.directory),
        "--engine",
        "onnxruntime",
        "--workers",
        "2",
        "--chunk_rows",
        "250",
    ]
    run = benchmark.predict("two workers", source, tmp_path / "out", options)
    assert run.at[0.75] - run.at[0.25] < GROWTH, run
