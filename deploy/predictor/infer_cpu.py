"""Predict with an exported model on the CPU: ONNX Runtime, numpy and tokenizers, no Paddle.

python deploy/predictor/infer_cpu.py --model_path best_models/afqmc/export
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import BundleInfo
from ernie_toolkit.cli import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.data.inputs import read_inputs
from ernie_toolkit.decoding import LabelAnswer
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.features import TextInput
from ernie_toolkit.files import write_text
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.session import PRECISIONS

EXAMPLES: dict[bool, list[TextInput]] = {
    False: ["国产电动车上半年出口量再创新高", "球队主场逆转取胜，小组赛提前出线"],
    True: [("还款日可以改到下个月吗", "下个月再还款行不行"), ("怎么注销账户", "怎么更换绑定的手机号")],
}


def build_parser() -> argparse.ArgumentParser:
    """The arguments."""
    parser = OneLineParser(prog="infer_cpu.py", description=__doc__)
    parser.add_argument("--task_name", default="seq_cls", choices=("seq_cls",), help="must be the bundle's own task")
    parser.add_argument("--model_path", default="best_models/afqmc/export", help="bundle (default: %(default)s)")
    parser.add_argument("--text", nargs="+", default=[], help="texts to predict")
    parser.add_argument("--text_pair", nargs="+", default=[], help="second texts, where the model reads pairs")
    parser.add_argument(
        "--input_file", help="texts to predict: one a line (pairs separated by a tab), or JSON lines (.json, .jsonl)"
    )
    parser.add_argument("--output_file", help="write one JSON object a line here instead of printing answers")
    parser.add_argument("--batch_size", type=int, default=32, help="(default: %(default)s)")
    parser.add_argument("--max_seq_length", type=int, help="at most the bundle's own, which is the default")
    parser.add_argument("--num_threads", type=int, help="(default: the processors this process may use)")
    parser.add_argument("--precision_mode", default="fp32", choices=PRECISIONS, help="(default: %(default)s)")
    return parser


def inputs_of(args: argparse.Namespace, info: BundleInfo) -> list[TextInput]:
    """What to predict: the command line's texts, the file's, or the two built-in examples."""
    pairs = info.text_format in ("pair", "keywords")
    if args.input_file and args.text:
        raise ConfigError("--text and --input_file exclude each other: give one of them")
    if args.input_file:
        return read_inputs(Path(args.input_file), info.text_format)
    if not args.text:
        if args.text_pair:
            raise ConfigError("--text_pair without --text: give both")
        return EXAMPLES[pairs]
    if pairs and len(args.text_pair) != len(args.text):
        raise ConfigError(
            f"this model reads pairs: {len(args.text)} --text and {len(args.text_pair)} --text_pair do not make pairs"
        )
    if not pairs and args.text_pair:
        raise ConfigError("this model reads single texts: leave --text_pair out")
    return list(zip(args.text, args.text_pair, strict=True)) if pairs else list(args.text)


def rows_of(texts: Sequence[TextInput], answers: Sequence[LabelAnswer]) -> Iterator[dict[str, Any]]:
    """One JSON object for each text."""
    for text, answer in zip(texts, answers, strict=True):
        yield {
            "text": text if isinstance(text, str) else list(text),
            "label": answer.label,
            "label_name": answer.name,
            "confidence": round(answer.confidence, 6),
        }


def run(args: argparse.Namespace) -> None:
    """Open the bundle, predict, print or write."""
    started = time.perf_counter()
    predictor = Predictor(args.model_path, "cpu", args.num_threads, args.precision_mode, args.max_seq_length)
    ready = time.perf_counter() - started
    texts = inputs_of(args, predictor.bundle.info)
    started = time.perf_counter()
    answers = predictor.predict(texts, args.batch_size)
    seconds = time.perf_counter() - started
    for warning in predictor.bundle.info.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    if args.output_file:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows_of(texts, answers))
        write_text(Path(args.output_file), "".join(lines))
        print(f"{len(answers)} answers in {args.output_file}")
    else:
        for row in rows_of(texts, answers):
            shown = row["text"] if isinstance(row["text"], str) else " | ".join(row["text"])
            print(f"input: {shown}\nlabel: {row['label']} ({row['label_name']})  confidence: {row['confidence']:.4f}\n")
    print(f"ready in {ready:.2f} s; {len(texts)} input(s) in {seconds:.3f} s, {len(texts) / seconds:.1f} a second")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and run."""
    parser = build_parser()
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        run(args)


if __name__ == "__main__":
    main()
