"""Times PaddleNLP's two ERNIE tokenizers and the toolkit's own on the same texts, in one process.

    python benchmarks/tokenization.py --texts train.json --vocab vocab.txt [--field sentence] [--output out.json]

`--texts` is a file of JSON lines, of which `--field` is read, or of plain text lines (.txt). Each tokenizer
encodes all texts once in every repeat, in turn, so that a machine that slows down slows them all; medians
are printed. Needs paddlenlp.
"""

import argparse
import json
import logging
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.errors import DataError
from ernie_toolkit.files import write_json
from ernie_toolkit.text.tokenization import build_tokenizer, load_tokenizer, read_vocab

Encode = Callable[[list[str]], list[list[int]]]
REFERENCE = "ErnieTokenizer"
OURS = "WordPieceTokenizer"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = OneLineParser(prog="tokenization.py", description=__doc__)
    parser.add_argument("--texts", type=Path, required=True, help="JSON lines (.json), or one text a line (.txt)")
    parser.add_argument("--vocab", type=Path, required=True, help="vocab.txt of an ERNIE model")
    parser.add_argument("--field", default="sentence", help="field of the JSON lines (default: %(default)s)")
    parser.add_argument("--limit", type=int, help="only the first so many texts (default: all)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each tokenizer (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="write the figures there as JSON")
    args = parser.parse_args(argv)
    if args.repeats < 1 or (args.limit is not None and args.limit < 1):
        parser.error("--repeats and --limit must be at least 1")
    return args


def read_texts(path: Path, field: str, limit: int | None) -> list[str]:
    """The texts of a file; raises DataError with file and line for a line that holds none."""
    try:
        with path.open(encoding="utf-8") as stream:
            lines = [line.rstrip("\n") for line in stream]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}): give a UTF-8 file of texts") from error
    texts = []
    for number, line in enumerate(lines[:limit], 1):
        if path.suffix == ".txt":
            texts.append(line)
            continue
        try:
            text = json.loads(line)[field]
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{path}:{number}: no JSON object with a field '{field}': name one with --field") from error
        texts.append(str(text))
    if not texts:
        raise DataError(f"{path} holds no texts: give another file")
    return texts


def make_encoders(vocab_file: Path) -> dict[str, Encode]:
    """The tokenizers by name; each encodes a list of texts without special tokens."""
    vocab = read_vocab(vocab_file)  # first, so that a bad vocabulary is told before paddle is imported

    # Both load from a model directory, as their users do.
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "vocab.txt").write_bytes(vocab_file.read_bytes())
        # ErnieTokenizerFast fails on a token that is there twice, as "$" is in ERNIE 3.0's vocabulary: the
        # earlier one, which ErnieTokenizer never uses, gets a name that no word has.
        last = {token: number for number, token in enumerate(vocab)}
        lines = [token if last[token] == number else f"[unused {number}]" for number, token in enumerate(vocab)]
        (directory / "fast").mkdir()
        (directory / "fast" / "vocab.txt").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        build_tokenizer(vocab).save(directory / "ours" / "tokenizer.json")
        ours = load_tokenizer(directory / "ours")

        from paddlenlp.transformers import ErnieTokenizer
        from paddlenlp.transformers.ernie.tokenizer_fast import ErnieTokenizerFast

        logging.disable(logging.WARNING)
        theirs: dict[str, Any] = {
            REFERENCE: ErnieTokenizer.from_pretrained(name),
            "ErnieTokenizerFast": ErnieTokenizerFast.from_pretrained(str(directory / "fast")),
        }

    def encode_with(tokenizer: Any) -> Encode:
        options = {"add_special_tokens": False, "return_token_type_ids": False, "return_attention_mask": False}
        return lambda texts: tokenizer(texts, **options)["input_ids"]

    return {**{key: encode_with(value) for key, value in theirs.items()}, OURS: ours.encode_ids}


def measure(encoders: dict[str, Encode], texts: list[str], repeats: int) -> dict[str, dict[str, float]]:
    """Seconds, CPU seconds of all threads, texts/s, ratio to ErnieTokenizer and share of equal ids, by name."""
    seconds: dict[str, list[float]] = {name: [] for name in encoders}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in encoders}
    ids: dict[str, list[list[int]]] = {}
    for encode in encoders.values():
        encode(texts[:100])  # what a tokenizer builds on first use is not part of its speed
    for _ in range(repeats):
        for name, encode in encoders.items():
            start, cpu_start = time.perf_counter(), time.process_time()
            ids[name] = encode(texts)
            seconds[name].append(time.perf_counter() - start)
            cpu_seconds[name].append(time.process_time() - cpu_start)
    reference = statistics.median(seconds[REFERENCE])
    return {
        name: {
            "seconds": statistics.median(runs),
            "seconds_min": min(runs),
            "seconds_max": max(runs),
            "cpu_seconds": statistics.median(cpu_seconds[name]),
            "texts_per_second": len(texts) / statistics.median(runs),
            "ratio": reference / statistics.median(runs),
            "equal_ids": sum(a == b for a, b in zip(ids[name], ids[REFERENCE], strict=True)) / len(texts),
        }
        for name, runs in seconds.items()
    }


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with exit_on_toolkit_error("tokenization.py"):
        texts = read_texts(args.texts, args.field, args.limit)
        encoders = make_encoders(args.vocab)
    results = measure(encoders, texts, args.repeats)
    mean_length = sum(map(len, texts)) / len(texts)
    print(f"{len(texts):,} texts of {mean_length:.1f} characters, median of {args.repeats} runs, {os.cpu_count()} CPUs")
    print(
        f"{'tokenizer':<20} {'seconds':>9} {'min-max':>15} {'CPU s':>7} {'texts/s':>9} {'ratio':>7} {'equal ids':>10}"
    )
    for name, row in results.items():
        spread = f"{row['seconds_min']:.2f}-{row['seconds_max']:.2f}"
        print(
            f"{name:<20} {row['seconds']:>9.2f} {spread:>15} {row['cpu_seconds']:>7.2f}"
            f" {row['texts_per_second']:>9,.0f} {row['ratio']:>6.1f}x {row['equal_ids']:>10.4%}"
        )
    if args.output:
        environment = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cpu_count": os.cpu_count(),
            "tokenizers_parallelism": os.environ.get("TOKENIZERS_PARALLELISM", "default"),
        }
        summary = {"texts": len(texts), "mean_characters": mean_length, "repeats": args.repeats}
        write_json(args.output, {**summary, "environment": environment, "results": results})


if __name__ == "__main__":
    main()
