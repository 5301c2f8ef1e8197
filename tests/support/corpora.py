"""Small corpora of pairs in every form, and predicting them in this process or as a user does."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.corpus.chunks import ChunkSource, Result
from ernie_toolkit.corpus.options import CorpusOptions
from ernie_toolkit.corpus.run import MakeExecutor, Summary, predict_corpus
from ernie_toolkit.corpus.worker import ChunkPredictor, Failure, WorkerSettings

FORMS = ("jsonl", "txt", "csv", "tsv", "parquet")
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy" / "predictor" / "infer_cpu.py"
WORDS = ("怎么还款", "如何还款", "面条很香", "汤太咸了", "借呗额度", "花呗能提前还吗", "A股 three", "𠮷野家😀")


class ThisProcess:
    """What predicts chunks in the process itself, by the predictor that workers have."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._predictor = ChunkPredictor(settings)

    def results(self, source: ChunkSource) -> Iterator[Result]:
        """As `LocalWorkers.results`."""
        for chunk in source:
            answer = self._predictor(chunk)
            if isinstance(answer, Failure):
                raise answer.error()
            yield answer


def pairs(count: int) -> list[dict[str, Any]]:
    """Rows with two texts each, of many lengths."""
    size = len(WORDS)
    return [
        {
            "id": number,
            "sentence1": WORDS[number % size] * (1 + number % 4),
            "sentence2": WORDS[(number * 5 + 3) % size] * (1 + number % 3),
        }
        for number in range(count)
    ]


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows in the form that the file's name says; .txt has the two texts alone."""
    kind = path.suffix[1:]
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path, row_group_size=7)
        return path
    if kind == "jsonl":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    elif kind == "txt":
        text = "".join(f"{row['sentence1']}\t{row['sentence2']}\n" for row in rows)
    else:
        written = io.StringIO()
        writer = csv.writer(written, delimiter="," if kind == "csv" else "\t", lineterminator="\n")
        writer.writerows([list(rows[0]), *(list(row.values()) for row in rows)])
        text = written.getvalue()
    path.write_text(text, encoding="utf-8")
    return path


def predict(
    bundle: Bundle, inputs: Sequence[Path], output: Path, executor: MakeExecutor = ThisProcess, **options: Any
) -> Summary:
    """Predict files in this process, or by another executor, with FP32 of ONNX Runtime."""
    given = {"engine": "onnxruntime", "precision": "fp32", "chunk_rows": 5, **options}
    return predict_corpus(bundle, CorpusOptions(tuple(map(str, inputs)), str(output), **given), executor)


def command(bundle: Bundle, inputs: Sequence[Path | str], output: Path, *more: str) -> list[str]:
    """The command line that predicts files with processes."""
    start = [sys.executable, str(SCRIPT), "--model_path", str(bundle.directory), "--engine", "onnxruntime"]
    return [*start, "--input", *map(str, inputs), "--output", str(output), *more]


def run(*arguments: Any) -> "subprocess.CompletedProcess[str]":
    """Run the command line of `command`."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False)


def ends_at_once(*_: Any) -> None:
    """What a worker does that the system kills whatever it is given."""
    os._exit(3)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def files_of(output: Path) -> dict[str, bytes]:
    """What an output directory holds for its user, by name."""
    found = (path for path in output.rglob("*.jsonl") if not path.name.startswith("."))
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in found}
