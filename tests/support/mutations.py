"""Every kind of file that the toolkit reads, spoilt, and read again: an answer or one line, never a traceback.

    python tests/support/mutations.py 20000 [FIRST]

prints, for each kind, how many files were tried, refused and taken, and what went wrong: tracebacks, errors of
several lines, and bundles that were changed and opened all the same.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

from mutators import ANY, BINARY, JSON, YAML, Mutator, mutated  # noqa: E402
from torch_writer import write_torch_file  # noqa: E402
from user_files import USER_FILES  # noqa: E402

from ernie_toolkit.bundle import BUNDLE_FILE, read_bundle  # noqa: E402
from ernie_toolkit.errors import ToolkitError  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Target:
    """A file that is spoilt, and what reads it. `read` gives whether a changed bundle was opened (else None)."""

    name: str
    file: Path
    mutators: tuple[Mutator, ...]
    read: Callable[[], Any]


@dataclass
class Outcome:
    """What became of a target's spoilt files."""

    tried: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0


def spoil(target: Target, number: int, outcome: Outcome) -> None:
    """Spoil a file once, read it, and put it back."""
    original = target.file.read_bytes()
    content = mutated(original, target.mutators, f"{target.name}:{number}")
    started = time.perf_counter()
    try:
        target.file.write_bytes(content)
        outcome.tried += 1
        opened = target.read()
        if opened and content != original:
            outcome.wrong.append(f"{target.name} {number}: changed, and opened")
    except ToolkitError as error:
        outcome.refused += 1
        if "\n" in str(error) or len(str(error)) > 2000:
            outcome.wrong.append(f"{target.name} {number}: {len(str(error))} characters: {str(error)[:200]!r}")
    except Exception:
        outcome.wrong.append(f"{target.name} {number}: {traceback.format_exc(limit=-4)}")
    finally:
        target.file.write_bytes(original)
    outcome.slowest = max(outcome.slowest, time.perf_counter() - started)


def bundle_targets(directory: Path) -> list[Target]:
    """The files of a bundle; its description may be written in another way as long as it says the same."""
    from ernie_toolkit.bundle.graph import read_graph
    from ernie_toolkit.inference import Predictor
    from ernie_toolkit.inference.console import examples_of

    info = read_bundle(directory).info

    def answers(verify: bool) -> bool:
        predictor = Predictor(directory, num_threads=1, verify=verify)
        predictor.predict(examples_of(predictor.bundle.info))
        return verify and predictor.bundle.info != info

    def opened() -> bool:
        answers(True)
        return True

    return [
        Target("bundle.json", directory / BUNDLE_FILE, JSON, lambda: answers(True)),
        Target("bundle.json unverified", directory / BUNDLE_FILE, JSON, lambda: answers(False)),
        Target("bundle: tokenizer.json", directory / "tokenizer.json", JSON, opened),
        Target("bundle: model.onnx", directory / "model.onnx", BINARY, opened),
        Target(
            "model.onnx's description",
            directory / "model.onnx",
            BINARY,
            lambda: read_graph(directory / "model.onnx") and None,
        ),
    ]


def model_targets(directory: Path) -> list[Target]:
    """The files of a trained model, as far as they are read before Paddle."""
    from ernie_toolkit.formats.weights import read_weights_file
    from ernie_toolkit.models import check_model_directory
    from ernie_toolkit.models.config import model_labels, model_task, model_thresholds
    from ernie_toolkit.models.directory import weights_files
    from ernie_toolkit.models.vocabulary import read_vocabulary
    from ernie_toolkit.text.tokenization import SPECIAL_TOKENS, load_tokenizer
    from ernie_toolkit.text.transformers_tokenizer import transformers_tokenizer
    from ernie_toolkit.training.records import read_metrics

    def config() -> None:
        check_model_directory(directory)
        model_task(directory), model_labels(directory), model_thresholds(directory)

    def vocabulary() -> None:
        load_tokenizer(directory).encode_ids(["怎么还款 ABC"])

    def theirs(file: str, read: Callable[[Path], object]) -> Target:
        return Target(
            f"{file} of transformers", directory / "hf" / file, BINARY, lambda: read(directory / "hf") and None
        )

    (directory / "hf").mkdir()
    tensors = {"a.weight": np.ones((2, 3), np.float32), "b": np.ones(2, np.float16)}
    write_torch_file(tensors, directory / "hf" / "pytorch_model.bin")
    write_torch_file(tensors, directory / "hf" / "old.bin", old=True)
    text = transformers_tokenizer([*SPECIAL_TOKENS, "好", "a", "##b"], True)
    (directory / "hf" / "tokenizer.json").write_text(text, encoding="utf-8")
    (directory / "hf" / "model.safetensors.index.json").write_text('{"weight_map": {"a": "a.safetensors"}}')
    (directory / "hf" / "a.safetensors").write_bytes(b"")
    (directory / "metrics.json").write_text(
        json.dumps(
            {
                "dataset": "afqmc",
                "settings": {"max_seq_length": 48},
                "metrics": {"accuracy": 0.5},
                "model": "ernie-sample-nano",
                "warnings": ["x"],
                "data_source": "sample",
            }
        ),
        encoding="utf-8",
    )
    return [
        Target("config.json", directory / "config.json", JSON, config),
        Target("vocab.txt", directory / "vocab.txt", ANY, vocabulary),
        Target("tokenizer_config.json", directory / "tokenizer_config.json", JSON, vocabulary),
        Target("metrics.json", directory / "metrics.json", JSON, lambda: read_metrics(directory) and None),
        theirs("pytorch_model.bin", lambda hf: read_weights_file(hf / "pytorch_model.bin")),
        theirs("old.bin", lambda hf: read_weights_file(hf / "old.bin")),
        theirs("tokenizer.json", read_vocabulary),
        theirs("model.safetensors.index.json", lambda hf: weights_files(hf / "model.safetensors.index.json")),
    ]


def loaded_target(directory: Path) -> Target:
    """A model's configuration, as Paddle builds a model of it."""
    from ernie_toolkit.models import load_model

    return Target("config.json, built", directory / "config.json", JSON, lambda: load_model(str(directory)) and None)


def data_targets(directory: Path) -> list[Target]:
    """Data sets of each task in their official files and as users have them, label files, files to predict."""
    from ernie_toolkit.data import load_dataset
    from ernie_toolkit.data.doccano import read_doccano
    from ernie_toolkit.data.file_options import FileOptions, FileRecord
    from ernie_toolkit.data.inputs import read_input_rows
    from ernie_toolkit.data.label_sets import load_label_sets, read_label_list, write_sample_directory
    from ernie_toolkit.data.sample import write_sample

    targets = []
    for name in ("afqmc", "tnews", "csl", "cluewsc2020", "msra_ner", "cmrc2018", "c3", "chid"):
        place = directory / name
        file = write_sample(name, place)["train"]
        _shorten(file)
        targets.append(
            Target(
                name,
                file,
                JSON,
                lambda name=name, place=place: load_dataset(name, data_dir=place, splits=("train",)) and None,
            )
        )
    for name, (task, text) in USER_FILES.items():
        file = directory / name
        file.write_text(text, encoding="utf-8")
        targets.append(
            Target(
                f"{name} ({task})",
                file,
                JSON,
                lambda file=file, task=task: (
                    load_dataset(
                        "custom", task=task, train_file=file, splits=("train",), options=FileOptions(encoding="auto")
                    )
                    and None
                ),
            )
        )
    labels = directory / "sets"
    write_sample_directory(labels)
    for name in ("train.txt", "dev.txt"):
        _shorten(labels / name)

    def sets() -> None:
        load_label_sets(labels, ("train", "dev"))

    doccano = directory / "doccano.jsonl"
    doccano.write_text(
        '{"id": 1, "text": "物流很慢", "label": ["物流", "慢"]}\n{"id": 2, "text": "好", "label": []}\n' * 3
    )
    inputs, pairs = directory / "inputs.jsonl", directory / "pairs.txt"
    inputs.write_text('{"sentence": "怎么还款"}\n{"text": "卡丢了", "label": 1}\n', encoding="utf-8")
    pairs.write_text("怎么还款\t如何还款\n卡丢了\t卡不见了\n", encoding="utf-8")
    label_file = directory / "label.txt"
    label_file.write_text("好==一\n坏==二\n", encoding="utf-8")
    rows = FileOptions(on_error="skip", encoding="auto")
    return [
        *targets,
        Target("label sets: train.txt", labels / "train.txt", ANY, sets),
        Target("label sets: label.txt", labels / "label.txt", ANY, sets),
        Target("label sets: sample.json", labels / "sample.json", JSON, sets),
        Target("label list", label_file, ANY, lambda: read_label_list(label_file) and None),
        Target("doccano", doccano, JSON, lambda: read_doccano(doccano, "multi_label") and None),
        Target(
            "inputs.jsonl",
            inputs,
            JSON,
            lambda: read_input_rows(inputs, "sentence", rows, ("1",), FileRecord()) and None,
        ),
        Target("pairs.txt", pairs, ANY, lambda: read_input_rows(pairs, "pair", rows, ("1",), FileRecord()) and None),
    ]


def _shorten(file: Path, rows: int = 12) -> None:
    """The first rows of a sample's file."""
    text = file.read_text(encoding="utf-8")
    try:
        content = json.loads(text)
    except ValueError:  # a row a line, or a token a line
        tokens = not text.startswith("{") and " " in text[:6]
        text = "\n".join(text.split("\n")[: rows * (8 if tokens else 1)]) + "\n"
    else:
        content = content[:2] if isinstance(content, list) else {**content, "data": content["data"][:2]}
        text = json.dumps(content, ensure_ascii=False, indent=1)
    file.write_text(text, encoding="utf-8")


def run_targets(directory: Path) -> list[Target]:
    """What runs leave for others: reports, checkpoints, configurations, requests."""
    from reports import candidate, make_report

    from ernie_toolkit.arguments.options import ReadingOptions
    from ernie_toolkit.arguments.settings import read_config
    from ernie_toolkit.commands.config import config_notices
    from ernie_toolkit.commands.options import RunOptions
    from ernie_toolkit.compression.options import CompressionOptions
    from ernie_toolkit.compression.report.files import report_json
    from ernie_toolkit.compression.report.model import read_report
    from ernie_toolkit.compression.state import Request, find_run
    from ernie_toolkit.inference.engines.gpu import read_profile
    from ernie_toolkit.paddle_serving.options import read_config as read_service
    from ernie_toolkit.paddle_serving.wire import parse_texts, parse_threshold
    from ernie_toolkit.simple_serving.wire import parse_request
    from ernie_toolkit.training.checkpoints import read_state
    from ernie_toolkit.training.options import TrainingOptions

    classes = (RunOptions, TrainingOptions, ReadingOptions, CompressionOptions)
    report, state = directory / "compress_report.json", directory / "checkpoints/checkpoint-4/trainer_state.json"
    report.write_text(json.dumps(report_json(make_report(candidate()))), encoding="utf-8")
    state.parent.mkdir(parents=True)
    state.write_text(
        json.dumps({"best_model_checkpoint": "a/checkpoint-2", "global_step": 4, "log_history": [{"loss": 0.5}]})
    )
    request = Request(CompressionOptions(), TrainingOptions(), directory / "run", resume=True)
    unfinished = directory / "run/unfinished/run.json"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_text(json.dumps(find_run(request, {"dataset": "afqmc"}).asked), encoding="utf-8")
    config, service = directory / "c.yml", directory / "service.yml"
    shutil.copyfile(ROOT / "configs/default.yml", config)
    shutil.copyfile(ROOT / "multi_label/deploy/paddle_serving/config.yml", service)
    body, texts = directory / "body.json", directory / "texts.json"
    asked = directory / "choices.json"
    asked.write_text('{"data": {"context": ["a"], "question": ["b", "c"], "choices": [["d", "e"], ["f", "g"]]}}')
    body.write_text(
        '{"data": {"text": ["a", "b"], "text_pair": ["c", "d"]}, "parameters": {"max_seq_len": 64, "batch_size": 2}}'
    )
    texts.write_text('["甲", "乙"]', encoding="utf-8")
    share = directory / "share.txt"
    share.write_text("0.25", encoding="utf-8")
    shapes = directory / "shapes.txt"
    shapes.write_text("min 1 1\nopt 8 32\nmax 32 128\n")

    def settings() -> None:
        read_config(config, "seq_cls", "tnews", classes, sample=True)
        config_notices(config, "seq_cls", "tnews", {"data_dir"})

    def columns() -> None:
        value = texts.read_bytes().decode("utf-8", "surrogateescape")
        parse_texts({"sentence": value}, 8)

    def limit() -> None:
        parse_threshold({"prob_limit": share.read_bytes().decode("utf-8", "surrogateescape")})

    return [
        Target("compress_report.json", report, JSON, lambda: read_report(report) and None),
        Target("trainer_state.json", state, JSON, lambda: read_state(state.parent) and None),
        Target("run.json", unfinished, JSON, lambda: find_run(request, {"dataset": "afqmc"}) and None),
        Target("config.yml", config, YAML, settings),
        Target("Paddle Serving's config.yml", service, YAML, lambda: read_service(service) and None),
        Target("HTTP body", body, JSON, lambda: parse_request(body.read_bytes(), "seq_cls", "pair", 8) and None),
        Target(
            "HTTP body of choices",
            asked,
            JSON,
            lambda: parse_request(asked.read_bytes(), "multiple_choice", "choices", 8) and None,
        ),
        Target("Paddle Serving's texts", texts, JSON, columns),
        Target("Paddle Serving's prob_limit", share, ANY, limit),
        Target("shape profile", shapes, ANY, lambda: read_profile(shapes) and None),
    ]


def all_targets(directory: Path, model: Path, bundle: Path) -> list[Target]:
    """Every kind of file, in copies below a directory."""
    model = Path(shutil.copytree(model, directory / "model", ignore=shutil.ignore_patterns("export")))
    bundle = Path(shutil.copytree(bundle, directory / "bundle"))
    for name in ("data", "runs"):
        (directory / name).mkdir()
    return [
        *bundle_targets(bundle),
        *model_targets(model),
        *data_targets(directory / "data"),
        *run_targets(directory / "runs"),
    ]


def campaign(targets: list[Target], files: int, first: int = 0) -> dict[str, Outcome]:
    """Spoil about so many files, as many of each kind."""
    outcomes = {target.name: Outcome() for target in targets}
    for target in targets:  # a file that is refused as it is would prove nothing
        target.read()
    for number in range(first, first + -(-files // len(targets))):
        for target in targets:
            spoil(target, number, outcomes[target.name])
    return outcomes


def _make_model(directory: Path) -> tuple[Path, Path]:
    """A tiny model and its bundle."""
    from tiny import PAIRS, make_tiny_model

    from ernie_toolkit.data import load_dataset
    from ernie_toolkit.data.sample import sample_vocab
    from ernie_toolkit.models import Vocabulary, load_model, save_model
    from ernie_toolkit.session import Session

    data = load_dataset("afqmc", data_source="sample", limits={"train": 50, "dev": 50})
    loaded = make_tiny_model(Vocabulary(tuple(sample_vocab())), ("0", "1"), initializer_range=0.2)
    save_model(loaded.model, loaded.vocabulary, directory / "model")
    session = Session(load_model(str(directory / "model")), data, PAIRS)
    return directory / "model", session.export(directory / "export", 50, {}, trained=True).directory


def main(files: int, first: int = 0) -> int:
    """Run the campaign and print what became of the files."""
    with tempfile.TemporaryDirectory() as name:
        made = _make_model(Path(name) / "made")
        targets = [*all_targets(Path(name), *made), loaded_target(Path(name) / "model")]
        outcomes = campaign(targets, files, first)
    width = max(map(len, outcomes))
    for kind, outcome in outcomes.items():
        taken = outcome.tried - outcome.refused
        print(
            f"{kind:<{width}}  tried {outcome.tried:>5}  refused {outcome.refused:>5}  taken {taken:>5}  "
            f"wrong {len(outcome.wrong):>3}  slowest {outcome.slowest:.2f} s"
        )
    wrong = [line for outcome in outcomes.values() for line in outcome.wrong]
    print(f"{sum(outcome.tried for outcome in outcomes.values())} files, {len(wrong)} wrong")
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:] or [20_000])))
