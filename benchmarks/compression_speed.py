"""Speed and size of compressed models of the medium shape (see compression.py)."""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ernie_toolkit.compression.options import installed_engines
from ernie_toolkit.compression.quantization.activations import activation_observer, activation_statistics
from ernie_toolkit.compression.quantization.calibration import calibrated_range
from ernie_toolkit.compression.quantization.embeddings import quantize_embeddings
from ernie_toolkit.compression.quantization.onnx import quantize_dynamic, quantize_static, weight_products
from ernie_toolkit.compression.quantization.openvino import OpenVinoPlan, model_size, quantize_for_openvino, quiet_nncf
from ernie_toolkit.data import load_dataset
from ernie_toolkit.inference.engines.base import NO_CACHE, EngineOptions, Runtime
from ernie_toolkit.inference.engines.onnxruntime import OnnxRuntime
from ernie_toolkit.inference.engines.openvino import OpenVino
from ernie_toolkit.inference.engines.paddle_inference import PaddleInference
from ernie_toolkit.inference.processor import computes
from ernie_toolkit.models import LoadedModel, Vocabulary, copy_model, new_model
from ernie_toolkit.models.sizes import ModelSlice, Shares, evenly_spaced, layer_count, layer_size
from ernie_toolkit.text.dataset import Batch, EncodedDataset, run_share
from ernie_toolkit.text.features import encode, pad_batch
from ernie_toolkit.text.tokenization import build_tokenizer, read_vocab
from ernie_toolkit.training.acceleration import apply_cpu_settings, import_paddle

# ERNIE 3.0 Medium: 6 layers, 768 wide, 12 heads.
SHAPE = {
    "hidden_size": 768,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 2048,
    "type_vocab_size": 4,
}
VOCABULARY = 40_000
REFERENCE = "FP32"
WIDTHS = (Fraction(3, 4), Fraction(2, 3), Fraction(1, 2))
DEPTHS = (Shares(depth=Fraction(2, 3)), Shares(Fraction(3, 4), Fraction(2, 3)))
SIZES = (*map(Shares, WIDTHS), *DEPTHS)
# Those that OpenVINO gets in INT8 too.
INT8_SIZES = (Shares(), Shares(WIDTHS[0]), *DEPTHS)
PEER = "NNCF's own INT8 (unpruned)"
END_TO_END = (
    REFERENCE,
    "INT8",
    "3/4 INT8",
    "OpenVINO BF16",
    PEER,
    "3/4 OpenVINO INT8 + embeddings",
    "3/4 depth 2/3 OpenVINO INT8 + embeddings",
)
# Ids that every cut vocabulary has.
SMALL_VOCABULARY = 1000
BATCH, LENGTH, TITLES = 32, 128, 512
Contender = Callable[[Batch], Any]


def medium_model(vocab: Path | None) -> LoadedModel:
    """A new model of the medium shape; the vocabulary is filled up to its 40,000 rows."""
    from ernie_toolkit.data.sample import sample_vocab

    tokens = list(read_vocab(vocab) if vocab else sample_vocab())
    tokens += [f"[unused {id_}]" for id_ in range(len(tokens), VOCABULARY)]
    labels = {"num_labels": 15, "id2label": {index: str(index) for index in range(15)}}
    return new_model(Vocabulary(tuple(tokens)), {**SHAPE, **labels})


def medium_slice(shares: Shares) -> ModelSlice:
    """What is left of a model of the medium shape: with random weights all layers are alike."""
    layers = SHAPE["num_hidden_layers"]
    kept = evenly_spaced(layers, layer_count(layers, shares.depth))
    return ModelSlice(layer_size(SHAPE["num_attention_heads"], SHAPE["intermediate_size"], shares.width), kept)


class Model(NamedTuple):
    """A file, and how it is opened."""

    path: Path
    engine: str = "onnxruntime"
    precision: str = "int8"

    def open(self, threads: int) -> Runtime:
        """The file in its engine, as compression opens it to measure it."""
        kind = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}[self.engine]
        # Spinning threads of one session would hold up the others, which take turns with it.
        return kind(self.path, self.precision, EngineOptions(threads, spinning=False, cache=NO_CACHE))


def write_models(loaded: LoadedModel, titles: Sequence[str], directory: Path) -> dict[str, Model]:
    """What compression makes of the model, by the names that the tables show."""
    from ernie_toolkit.compression.pruning.elastic import cut_out, make_elastic
    from ernie_toolkit.compression.pruning.vocabulary import prune_vocabulary
    from ernie_toolkit.export.graph import convert_to_onnx, save_static_graph

    def exported(model: Any, name: str) -> Path:
        folder = directory / name
        folder.mkdir()
        target = folder / "model.onnx"
        convert_to_onnx(*save_static_graph(model, folder), target)
        return target

    found = {REFERENCE: Model(exported(loaded.model, "fp32"), precision="fp32")}
    elastic = copy_model(loaded.model)
    make_elastic(elastic)
    cut = {}
    for shares in SIZES:
        name = shares.text
        cut[name] = cut_out(elastic, medium_slice(shares))
        found[name] = Model(exported(cut[name], f"width {name}".replace("/", "_")), precision="fp32")
    for name in ("", *cut):
        source = found[name or REFERENCE].path
        found[f"{name} INT8".strip()] = int8 = Model(source.with_name("int8.onnx"))
        quantize_dynamic(source, int8.path)
        tables = source.with_name("tables.onnx")
        quantize_embeddings(source, tables, positions=LENGTH)
        found[f"{name} INT8 + embeddings".strip()] = small = Model(source.with_name("int8_tables.onnx"))
        quantize_dynamic(tables, small.path)
    found["INT8 static (mse)"] = Model(directory / "static.onnx")
    _quantize_static(found[REFERENCE].path, found["INT8 static (mse)"].path)
    for unseen in (True, False):
        pruned = prune_vocabulary(replace(loaded, model=cut["3/4"]), titles, unseen)
        name = f"3/4 INT8 + embeddings, {len(pruned.vocabulary.tokens):,} tokens"
        source = exported(pruned.model, f"vocabulary {unseen}")
        quantize_embeddings(source, source.with_name("tables.onnx"), positions=LENGTH)
        found[name] = Model(source.with_name("int8_tables.onnx"))
        quantize_dynamic(source.with_name("tables.onnx"), found[name].path)
    return found | _write_openvino(found, directory)


def _write_openvino(models: Mapping[str, Model], directory: Path) -> dict[str, Model]:
    """The same for OpenVINO, and what NNCF makes of the unpruned model in its own way.

    None where it is not installed.
    """
    if "openvino" not in installed_engines():
        print("OpenVINO is left out: pip install -r requirements.txt -c constraints.txt")
        return {}
    found = {"OpenVINO FP32": Model(models[REFERENCE].path, "openvino", "fp32")}
    batches = [random_batch(1, int(length)) for length in np.linspace(8, LENGTH, 100)]
    for shares in (Shares(), *SIZES):
        source = models[shares.text or REFERENCE].path
        if computes("bf16"):
            found[f"{shares.text} OpenVINO BF16".strip()] = Model(source, "openvino", "bf16")
        if shares in INT8_SIZES:
            target = source.with_name("openvino.xml")
            quantize_for_openvino(source.with_name("tables.onnx"), target, OpenVinoPlan(), batches)
            found[f"{shares.text} OpenVINO INT8 + embeddings".strip()] = Model(target, "openvino")
    for name, model in models.items():
        if "tokens" in name:
            target = model.path.with_name("openvino.xml")
            tables = model.path.with_name("tables.onnx")
            rows = [{key: value % SMALL_VOCABULARY for key, value in batch.items()} for batch in batches]
            quantize_for_openvino(tables, target, OpenVinoPlan(), rows)
            found[name.replace("3/4 INT8", "3/4 OpenVINO INT8")] = Model(target, "openvino")
    found[PEER] = Model(directory / "nncf.xml", "openvino")
    _nncf_default(models[REFERENCE].path, found[PEER].path)
    return found


def _nncf_default(source: Path, target: Path) -> None:
    """What a user of Intel's tools gets: NNCF with the transformer preset, calibrated on rows of the full length."""
    with quiet_nncf() as nncf:
        import openvino

        rows = nncf.Dataset([random_batch(1, LENGTH, seed) for seed in range(100)])
        model = openvino.Core().read_model(str(source))
        made = nncf.quantize(model, rows, subset_size=100, model_type=nncf.ModelType.TRANSFORMER)
        openvino.save_model(made, str(target), compress_to_fp16=False)


def _quantize_static(source: Path, target: Path) -> None:
    import onnx

    names = sorted({product.input for product in weight_products(onnx.load(str(source)))})
    batches = [random_batch(4, 64, seed) for seed in range(2)]
    statistics_ = activation_statistics(activation_observer(source, names, pad_id=0), batches)
    quantize_static(source, target, {name: calibrated_range("mse", *found) for name, found in statistics_.items()})


def random_batch(rows: int, length: int, seed: int = 0) -> Batch:
    """A batch without padding: int64 of shape (rows, length)."""
    ids = np.random.default_rng(seed).integers(100, VOCABULARY, (rows, length), dtype=np.int64)
    return {"input_ids": ids, "token_type_ids": np.zeros_like(ids)}


def paddle_contender(fp32: Path, threads: int) -> Contender:
    """Paddle Inference's BF16 on the same model."""
    program, weights = fp32.with_name("model.json"), fp32.with_name("model.pdiparams")
    return PaddleInference(program, weights, "bf16", EngineOptions(threads), outputs=1)


def median_seconds(contenders: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The median time of each over repeats in which they take turns; the first turn warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for repeat in range(repeats + 1):
        for name, contender in contenders.items():
            started = time.perf_counter()
            contender()
            if repeat:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def rates(contenders: Mapping[str, Contender], batch: Batch, repeats: int) -> dict[str, float]:
    """Sequences a second of each, side by side (see `median_seconds`)."""
    runs = {name: partial(contender, batch) for name, contender in contenders.items()}
    return {name: len(batch["input_ids"]) / taken for name, taken in median_seconds(runs, repeats).items()}


def titles_end_to_end(
    loaded: LoadedModel, models: Mapping[str, Model], titles: Sequence[str], threads: int, repeats: int
) -> dict[str, float]:
    """Titles a second, tokenizing included, side by side: FP32 padded to 128, and others in batches by length."""
    tokenizer = build_tokenizer(loaded.vocabulary.tokens)
    runtimes = {name: models[name].open(threads) for name in END_TO_END if name in models}

    def padded() -> None:
        features = encode(tokenizer, titles, LENGTH)
        for start in range(0, len(features), BATCH):
            runtimes[REFERENCE](pad_batch(features[start : start + BATCH], tokenizer.special.pad, LENGTH))

    def by_length(name: str) -> None:
        rows = EncodedDataset(encode(tokenizer, titles, LENGTH), tokenizer.special.pad)
        step = runtimes[name].length_step
        run_share(rows, BATCH, runtimes[name].stream, length_step=step, longest=LENGTH)

    ways: dict[str, Callable[[], None]] = {f"{REFERENCE}, padded to {LENGTH}": padded}
    ways |= {f"{name}, by length": partial(by_length, name) for name in runtimes}
    return {way: len(titles) / taken for way, taken in median_seconds(ways, repeats).items()}


def speed_tables(
    threads: Sequence[int], lengths: Sequence[int], repeats: int, data_dir: Path | None, vocab: Path | None
) -> dict[str, Any]:
    """Measure and print sizes, speed for each number of threads and length, and titles end to end."""
    apply_cpu_settings()
    import_paddle()
    source: dict[str, Any] = {"data_dir": data_dir} if data_dir else {"data_source": "sample"}
    data = load_dataset("tnews", splits=("train", "dev"), limits={"dev": TITLES}, **source)
    texts = {split: [example["sentence"] for example in data.split(split)] for split in ("train", "dev")}
    report: dict[str, Any] = {"sizes": {}, "sequences_per_second": {}, "titles_per_second": {}}
    with tempfile.TemporaryDirectory() as name:
        loaded = medium_model(vocab)
        models = write_models(loaded, texts["train"], Path(name))
        report["sizes"] = {name: model_size(model.path) for name, model in models.items()}
        print("size on disk, MB (MiB)")
        for model_name, size in report["sizes"].items():
            print(f"  {model_name:<50}{size / 1e6:>8.1f} ({size / 2**20:.1f})")
        for count in threads:
            compared = {name: model for name, model in models.items() if "tokens" not in name}
            contenders: dict[str, Contender] = {name: model.open(count) for name, model in compared.items()}
            if computes("bf16"):
                contenders["Paddle Inference BF16"] = paddle_contender(models[REFERENCE].path, count)
            for batch, length in [*((BATCH, length) for length in lengths), (1, min(lengths))]:
                found = rates(contenders, random_batch(batch, length), repeats if batch > 1 else 10 * repeats)
                report["sequences_per_second"][f"{count} threads, batch {batch}, length {length}"] = found
                print(f"batch {batch}, length {length}, {count} threads: sequences/s, ratio to {REFERENCE}")
                for contender, rate in found.items():
                    print(f"  {contender:<50}{rate:>8.1f}{rate / found[REFERENCE]:>8.2f}x")
            found = titles_end_to_end(loaded, models, texts["dev"], count, repeats)
            report["titles_per_second"][f"{count} threads"] = found
            slowest = found[f"{REFERENCE}, padded to {LENGTH}"]
            print(f"{len(texts['dev'])} titles of tnews ({data.source}) end to end, {count} threads: titles/s")
            for way, rate in found.items():
                print(f"  {way:<50}{rate:>8.1f}{rate / slowest:>8.2f}x")
    return report
