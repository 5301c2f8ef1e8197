"""Every encoder family on the embedded sample: trained, pruned, quantized, exported, and asked in each engine.

    python benchmarks/families.py
    python benchmarks/families.py --families bert roformerv2 --size published --max_steps 5
    python benchmarks/families.py --model bert=DIR/chinese-roberta-wwm-ext

A row is the shape of a published model with random weights, so that nothing is downloaded; small ones have its heads,
but an eighth of its head size, and half of the layers that it has over four. --model takes a directory in place of a
family's rows. The encoder is fine-tuned, pruned to 3/4 of its width and 2/3 of its depth, and quantized for each
engine. Columns:

- parity: the largest difference of a logit between Paddle and the exported model in ONNX Runtime in FP32, of the
  fine-tuned and of the pruned model;
- INT8: of the pruned model, how many answers are those of its FP32, and the relative error of the logits;
- MB: the ONNX model in FP32, the pruned one, and that in INT8.

They say that a family goes all the way; 20 steps say nothing of its quality. A row that fails holds its error, and the
exit code is 1. families.json and families.md in --output_dir are written again after each row.
"""

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ernie_toolkit import CompressionOptions, Predictor, Session, TrainingOptions, compress, load_dataset, load_model
from ernie_toolkit.compression.options import installed_engines
from ernie_toolkit.compression.report.model import ENGINE_NAMES, Report
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, notice, say, with_flags
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import ConfigError, ToolkitError
from ernie_toolkit.files import check_output_file, write_json, write_text
from ernie_toolkit.formats.escapes import markdown_text
from ernie_toolkit.formats.ranges import Range, in_range
from ernie_toolkit.models import Vocabulary, check_model_directory, new_model, save_model
from ernie_toolkit.models.config import CONFIG_FILE, model_family, read_model_config
from ernie_toolkit.models.families import FAMILIES
from ernie_toolkit.tasks import Task
from ernie_toolkit.training import predict_logits, seed_everything
from ernie_toolkit.training.acceleration import apply_cpu_settings, import_paddle

BERT_BASE = "bert-base-chinese"
# Published models by family; PaddleNLP lists their sizes. UER's base is of BERT's own shape, as is RoBERTa-wwm-ext.
PUBLISHED: Mapping[str, tuple[str, ...]] = {
    "ernie": (
        "ernie-1.0-base-zh",
        "ernie-3.0-nano-zh",
        "ernie-3.0-micro-zh",
        "ernie-3.0-mini-zh",
        "ernie-3.0-medium-zh",
        "ernie-3.0-base-zh",
    ),
    "bert": (
        BERT_BASE,
        "uer/chinese-roberta-tiny",
        "uer/chinese-roberta-mini",
        "uer/chinese-roberta-small",
        "uer/chinese-roberta-medium",
    ),
    "tinybert": ("tinybert-4l-312d-zh", "tinybert-6l-768d-zh"),
    "ernie_gram": ("ernie-gram-zh",),
    "roformerv2": ("roformer_v2_chinese_char_small", "roformer_v2_chinese_char_base"),
}
# Those that PaddleNLP does not list: BERT's base with these sizes.
OF_BERT = {
    "hfl/rbt3": {"num_hidden_layers": 3},
    "hfl/rbtl3": {
        "num_hidden_layers": 3,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
}
SMALLER, LEAST_HEAD, FEW_LAYERS, SMALL_POSITIONS = 8, 4, 4, 128
WIDTH, DEPTH = "3/4", "2/3"
MAX_SEQ_LENGTH, BATCH_SIZE, DEV_ROWS, CALIBRATION_ROWS = 48, 16, 100, 100
# With random weights of 0.02 so narrow models give all rows one answer (see `models.loading.SAMPLE_SHAPE`).
SMALL_SETTINGS = {"initializer_range": 0.05}
LEARNING_RATES = {"small": 1e-3, "published": 5e-5}
SAMPLE = "afqmc"


@dataclasses.dataclass(frozen=True)
class Row:
    """What a row of the table is made from: sizes of a new model, or a directory."""

    family: str
    title: str
    sizes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    directory: Path | None = None


def published_sizes(family: str) -> dict[str, dict[str, Any]]:
    """Configurations of a family's published models by their names."""
    listed = FAMILIES[family].paddle_class(f"{FAMILIES[family].stem}PretrainedModel").pretrained_init_configuration
    found = {name: dict(listed[name]) for name in PUBLISHED[family]}
    if family == "bert":
        found |= {name: {**listed[BERT_BASE], **sizes} for name, sizes in OF_BERT.items()}
    defaults = FAMILIES[family].default_sizes
    return {name: {**defaults, **sizes} for name, sizes in found.items()}


def small_sizes(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """A narrow model of a published one's heads and proportions."""
    heads, hidden, layers = (sizes[key] for key in ("num_attention_heads", "hidden_size", "num_hidden_layers"))
    # Rotary positions need an even head size.
    head = max(LEAST_HEAD, hidden // heads // SMALLER // 2 * 2)
    small = {
        "hidden_size": heads * head,
        "intermediate_size": heads * head * sizes["intermediate_size"] // hidden,
        "num_hidden_layers": layers if layers <= FEW_LAYERS else (layers + FEW_LAYERS) // 2,
        "max_position_embeddings": SMALL_POSITIONS,
    }
    small |= {"embedding_size": heads * head} if "embedding_size" in sizes else {}
    return {**sizes, **small, **SMALL_SETTINGS}


def table_rows(families: Sequence[str], size: str, models: Sequence[tuple[str, Path]]) -> list[Row]:
    """The rows to measure: a family's directories where it was given any, else its published shapes."""
    rows = []
    for family in families:
        given = [Row(family, path.name, directory=path) for name, path in models if name == family]
        shapes = {} if given else published_sizes(family)
        rows += given
        rows += [
            Row(family, name, sizes if size == "published" else small_sizes(sizes)) for name, sizes in shapes.items()
        ]
    return rows


def write_encoder(row: Row, vocabulary: Vocabulary, directory: Path, size: str) -> None:
    """Save a new encoder without a head, as published ones are; a published vocabulary is filled up to its rows."""
    tokens, sizes = vocabulary.tokens, dict(row.sizes)
    rows = sizes.pop("vocab_size")
    if size == "published":
        tokens += tuple(f"[unused {number}]" for number in range(len(tokens), rows))
    family = FAMILIES[row.family]
    loaded = new_model(dataclasses.replace(vocabulary, tokens=tokens), sizes, family=family)
    save_model(getattr(loaded.model, family.prefix), loaded.vocabulary, directory)


def parity(model: Path, bundle: Path, task: Task, inputs: Any) -> float:
    """The largest difference of a logit between Paddle and ONNX Runtime in FP32."""
    predictor = Predictor(bundle, engine="onnxruntime", precision="fp32")
    rows = task.encode(predictor.tokenizer, inputs)
    ours = np.stack(predict_logits(load_model(str(model), task).model, rows, BATCH_SIZE))
    return float(np.abs(ours - np.stack(predictor.logits(inputs))).max())


def int8_against_fp32(bundle: Path, engine: str, inputs: Any) -> dict[str, float]:
    """Answers of INT8 in an engine that are those of FP32 in ONNX Runtime, and the relative error of the logits."""
    fp32, int8 = (
        np.stack(Predictor(bundle, engine=name, precision=precision).logits(inputs))
        for name, precision in (("onnxruntime", "fp32"), (engine, "int8"))
    )
    equal = float((fp32.argmax(axis=-1) == int8.argmax(axis=-1)).mean())
    return {"equal_answers": equal, "relative_error": float(np.linalg.norm(int8 - fp32) / np.linalg.norm(fp32))}


def compressed_files(report: Report, directory: Path) -> dict[str, Path]:
    """The pruned model's kept files by engine and precision."""
    return {
        f"{item.engine} {item.precision}": directory / item.file
        for item in report.candidates
        if item.kept and (item.width, item.depth) == (WIDTH, DEPTH)
    }


def megabytes(path: Path) -> float:
    """The size of a model's file, of an .xml with its weights."""
    paths = (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,)
    return sum(item.stat().st_size for item in paths) / 1e6


def measure(row: Row, data: DataSet, task: Task, args: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Take a model all the way, by the calls that the scripts make."""
    from ernie_toolkit.data.sample import sample_vocab

    seed_everything(args.seed)
    source, trained, small = row.directory or directory / "encoder", directory / "trained", directory / "small"
    if row.directory is None:
        write_encoder(row, Vocabulary(tuple(sample_vocab())), source, args.size)
    training = TrainingOptions(
        max_steps=args.max_steps,
        per_device_train_batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATES["published" if row.directory else args.size],
        max_seq_length=MAX_SEQ_LENGTH,
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        report_to="none",
        seed=args.seed,
    )
    session = Session(load_model(str(source), task, seed=args.seed), data, task)
    config = session.loaded.model.config
    shape = f"{config.num_hidden_layers} x {config.hidden_size}, {config.num_attention_heads} heads"
    result = session.train(training, trained)
    session.save(trained)
    bundle = session.export(trained / "export").directory
    options = CompressionOptions(
        "dynabert+ptq",
        width_mult_list=(WIDTH,),
        depth_mult_list=(DEPTH,),
        method_list=("dynamic",),
        calibration_rows=CALIBRATION_ROWS,
    )
    report = compress(trained, None, data, data, task, None, small, options, training, say=lambda _: None)
    files = compressed_files(report, small)
    pruned = files["onnxruntime int8"].parent
    inputs = task.inputs(data.split("dev"))
    # Of a model that was pruned in FP32 its bundle has no candidate: FP32 is what every bundle has.
    sizes = {"fp32": bundle / "model.onnx", "pruned": pruned / "model.onnx"}
    sizes |= {name: path for name, path in files.items() if name.endswith("int8")}
    smaller = load_model(str(pruned.parent), task).model.config
    return {
        "shape": shape,
        "pruned_shape": f"{smaller.num_hidden_layers} x {config.hidden_size}, "
        f"{smaller.pruned_num_attention_heads} heads",
        "accuracy": result.metrics["accuracy"],
        "steps": result.steps,
        "training_seconds": result.seconds,
        "parity": parity(trained, bundle, task, inputs),
        "pruned_parity": parity(pruned.parent, pruned, task, inputs),
        "int8": {engine: int8_against_fp32(pruned, engine, inputs) for engine in installed_engines()},
        "megabytes": {name: megabytes(path) for name, path in sizes.items()},
    }


def cells(found: Mapping[str, Any]) -> list[str]:
    """A row of the table after its name."""
    if "error" in found:
        return [found["family"], f"failed: {markdown_text(found['error'])}"]
    int8 = [
        f"{100 * item['equal_answers']:.0f}%, {item['relative_error']:.3f}" if item else "-"
        for item in map(found["int8"].get, ENGINE_NAMES)
    ]
    sizes = [f"{found['megabytes'].get(f'{engine} int8', 0):.2f}" for engine in found["int8"]]
    return [
        found["family"],
        found["shape"],
        f"{found['training_seconds']:.1f}",
        f"{found['parity']:.1e}",
        found["pruned_shape"],
        f"{found['pruned_parity']:.1e}",
        *int8,
        f"{found['megabytes']['fp32']:.2f}, {found['megabytes']['pruned']:.2f}, {' and '.join(sizes)}",
    ]


def table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The Markdown table."""
    int8 = [f"INT8 {name}: equal, error" for name in ENGINE_NAMES.values()]
    head = ["model", "family", "layers x width", "trained, s", "parity", "pruned", "its parity", *int8, "MB"]
    lines = [head, ["---"] * len(head)]
    for title, found in rows.items():
        line = [markdown_text(title), *cells(found)]
        lines.append(line + [""] * (len(head) - len(line)))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def family_directory(text: str) -> tuple[str, Path]:
    """A family and a model directory from FAMILY=DIRECTORY."""
    family, separator, path = text.partition("=")
    if not separator or family not in FAMILIES or not path:
        raise argparse.ArgumentTypeError(f"'{text}' is no FAMILY=DIRECTORY with one of {', '.join(FAMILIES)}")
    return family, Path(path)


def check_models(models: Sequence[tuple[str, Path]], families: Sequence[str]) -> None:
    """Check directories before hours are spent; raises ConfigError, or ModelError where one cannot be loaded."""
    for family, path in models:
        check_model_directory(path)
        own = model_family(path / CONFIG_FILE, read_model_config(path / CONFIG_FILE))
        if own.name != family:
            raise ConfigError(f"--model {family}={path}: its config.json says {own.name}: give it as {own.name}={path}")
        if family not in families:
            raise ConfigError(f"--model {family}={path}: --families leaves {family} out: name it there too")


def build_parser() -> OneLineParser:
    """The arguments of this benchmark."""
    parser = OneLineParser(prog="families.py", description=__doc__)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=list(FAMILIES), help="(default: all)")
    parser.add_argument(
        "--model",
        type=family_directory,
        action="append",
        default=[],
        metavar="FAMILY=DIRECTORY",
        help="a model directory in place of the family's shapes; may be given again",
    )
    parser.add_argument(
        "--size", default="small", choices=list(LEARNING_RATES), help="published: the real sizes (default: %(default)s)"
    )
    count = in_range(int, Range(1, 10**6))
    parser.add_argument("--max_steps", type=count, default=20, help="(default: %(default)s)")
    parser.add_argument("--max_train_samples", type=count, default=400, help="(default: %(default)s)")
    parser.add_argument("--max_dev_samples", type=count, default=DEV_ROWS, help="(default: %(default)s)")
    parser.add_argument("--seed", type=in_range(int, Range(0, 2**31 - 1)), default=42, help="(default: %(default)s)")
    parser.add_argument(
        "--output_dir", type=Path, default=Path("benchmark_families"), help="gets the two files (default: %(default)s)"
    )
    return parser


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure every row, each written down when it is done."""
    check_models(args.model, args.families)
    for name in ("families.json", "families.md"):
        check_output_file(args.output_dir / name)
    apply_cpu_settings()
    import_paddle()
    limits = {"train": args.max_train_samples, "dev": args.max_dev_samples}
    data = load_dataset(SAMPLE, data_source="sample", splits=("train", "dev"), limits=limits)
    task = data.spec.task(MAX_SEQ_LENGTH)
    if len(installed_engines()) < len(ENGINE_NAMES):
        notice("OpenVINO or NNCF is not installed: its column stays empty")
    report: dict[str, Any] = {"settings": {**vars(args), "output_dir": str(args.output_dir)}, "rows": {}}
    report["settings"]["model"] = [f"{family}={path}" for family, path in args.model]
    for row in table_rows(args.families, args.size, args.model):
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as directory:
            try:
                found = measure(row, data, task, args, Path(directory))
            except Exception as error:  # whatever Paddle or an engine raises is this row's result
                kind = "" if isinstance(error, ToolkitError) else f"{type(error).__name__}: "
                found = {"error": with_flags(f"{kind}{' '.join(str(error).split())[:300]}")}
        seconds = time.perf_counter() - started
        report["rows"][row.title] = {"family": row.family, "seconds": seconds, **found}
        say(f"{row.family}, {row.title}: {'failed: ' + found['error'] if 'error' in found else f'{seconds:.0f} s'}")
        write_json(args.output_dir / "families.json", report)
        write_text(args.output_dir / "families.md", table(report["rows"]))
    return report


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table; 1 where a family failed."""
    parser = build_parser()
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        report = run(args)
        print(table(report["rows"]))
        print(f"{args.output_dir / 'families.json'} and families.md")
    return int(any("error" in found for found in report["rows"].values()))


if __name__ == "__main__":
    sys.exit(main())
