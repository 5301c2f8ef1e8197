"""Speed and size of compressed models of the medium shape (see compression.py)."""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ernie_toolkit.compression.quantization.activations import activation_observer, activation_statistics
from ernie_toolkit.compression.quantization.calibration import calibrated_range
from ernie_toolkit.compression.quantization.embeddings import quantize_embeddings
from ernie_toolkit.compression.quantization.onnx import quantize_dynamic, quantize_static, weight_products
from ernie_toolkit.data import load_dataset
from ernie_toolkit.inference.engines.onnxruntime import model_session
from ernie_toolkit.models import LoadedModel, Vocabulary, copy_model, new_model
from ernie_toolkit.models.sizes import layer_size
from ernie_toolkit.text.batching import batches_by_length
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
WIDTHS = ("3/4", "2/3", "1/2")
BATCH, LENGTH, TITLES = 32, 128, 256
REFERENCE = "FP32"
Contender = Callable[[Mapping[str, np.ndarray]], Any]


def medium_model(vocab: Path | None) -> LoadedModel:
    """A new model of the medium shape; the vocabulary is filled up to its 40,000 rows."""
    from ernie_toolkit.data.sample import sample_vocab

    tokens = list(read_vocab(vocab) if vocab else sample_vocab())
    tokens += [f"[unused {id_}]" for id_ in range(len(tokens), VOCABULARY)]
    labels = {"num_labels": 15, "id2label": {index: str(index) for index in range(15)}}
    return new_model(Vocabulary(tuple(tokens)), {**SHAPE, **labels})


def write_graphs(loaded: LoadedModel, titles: Sequence[str], directory: Path) -> dict[str, Path]:
    """ONNX files of the model and of what compression makes of it, by the names that the tables show."""
    from ernie_toolkit.compression.pruning.elastic import cut_out, make_elastic
    from ernie_toolkit.compression.pruning.vocabulary import prune_vocabulary
    from ernie_toolkit.export.graph import convert_to_onnx, save_static_graph
    from ernie_toolkit.models.slices import current_size

    def exported(model: Any, name: str) -> Path:
        folder = directory / name
        folder.mkdir()
        target = folder / "model.onnx"
        convert_to_onnx(*save_static_graph(model, folder), target)
        return target

    full = current_size(loaded.model)
    graphs = {REFERENCE: exported(loaded.model, "fp32")}
    elastic = copy_model(loaded.model)
    make_elastic(elastic)
    models = {"1": loaded.model}
    for width in WIDTHS:
        size = layer_size(full.num_attention_heads, full.intermediate_size, Fraction(width))
        models[width] = cut_out(elastic, size)
        graphs[width] = exported(models[width], f"width {width}".replace("/", "_"))
    for width in ("1", *WIDTHS):
        source = graphs[REFERENCE if width == "1" else width]
        name = "INT8" if width == "1" else f"{width} INT8"
        graphs[name] = source.with_name("int8.onnx")
        quantize_dynamic(source, graphs[name])
        tables = source.with_name("tables.onnx")
        quantize_embeddings(source, tables, positions=LENGTH)
        graphs[f"{name} + embeddings"] = source.with_name("int8_tables.onnx")
        quantize_dynamic(tables, graphs[f"{name} + embeddings"])
    graphs["INT8 static (mse)"] = directory / "static.onnx"
    _quantize_static(graphs[REFERENCE], graphs["INT8 static (mse)"])
    for unseen in (True, False):
        cut = prune_vocabulary(replace(loaded, model=models["3/4"]), titles, unseen)
        name = f"3/4 INT8 + embeddings, {len(cut.vocabulary.tokens):,} tokens"
        source = exported(cut.model, f"vocabulary {unseen}")
        quantize_embeddings(source, source.with_name("tables.onnx"), positions=LENGTH)
        graphs[name] = source.with_name("int8_tables.onnx")
        quantize_dynamic(source.with_name("tables.onnx"), graphs[name])
    return graphs


def _quantize_static(source: Path, target: Path) -> None:
    import onnx

    names = sorted({product.input for product in weight_products(onnx.load(str(source)))})
    batches = [random_batch(4, 64, seed) for seed in range(2)]
    statistics_ = activation_statistics(activation_observer(source, names, pad_id=0), batches)
    quantize_static(source, target, {name: calibrated_range("mse", *found) for name, found in statistics_.items()})


def random_batch(rows: int, length: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A batch without padding: int64 of shape (rows, length)."""
    ids = np.random.default_rng(seed).integers(100, VOCABULARY, (rows, length), dtype=np.int64)
    return {"input_ids": ids, "token_type_ids": np.zeros_like(ids)}


def onnx_contenders(graphs: Mapping[str, Path], threads: int) -> dict[str, Contender]:
    """A function that computes a batch for each graph, opened as a deployment opens it."""

    def contender(name: str, path: Path) -> Contender:
        session = model_session(path, num_threads=threads, precision="int8" if "INT8" in name else "fp32")
        return lambda batch: session.run(None, dict(batch))

    return {name: contender(name, path) for name, path in graphs.items()}


def bf16_contenders(fp32: Path, threads: int) -> dict[str, Contender]:
    """OpenVINO's and Paddle Inference's BF16 on the same model; OpenVINO where it is installed."""
    contenders: dict[str, Contender] = {}
    if find_spec("openvino") is not None:
        import openvino

        core = openvino.Core()
        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "bf16", "NUM_STREAMS": 1}
        compiled = core.compile_model(str(fp32), "CPU", settings)
        contenders["OpenVINO BF16"] = lambda batch: compiled(dict(batch))
    else:
        print("OpenVINO BF16 is left out: pip install -r benchmarks/requirements.txt")
    from paddle import inference

    config = inference.Config(str(fp32.with_name("model.json")), str(fp32.with_name("model.pdiparams")))
    config.disable_gpu()
    config.enable_mkldnn()
    config.enable_mkldnn_bfloat16()
    config.set_cpu_math_library_num_threads(threads)
    config.disable_glog_info()
    predictor = inference.create_predictor(config)

    def run(batch: Mapping[str, np.ndarray]) -> None:
        for name in predictor.get_input_names():
            handle = predictor.get_input_handle(name)
            handle.reshape(batch[name].shape)
            handle.copy_from_cpu(batch[name])
        predictor.run()
        predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()

    contenders["Paddle Inference BF16"] = run
    return contenders


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


def rates(contenders: Mapping[str, Contender], batch: Mapping[str, np.ndarray], repeats: int) -> dict[str, float]:
    """Sequences a second of each, side by side (see `median_seconds`)."""
    runs = {name: partial(contender, batch) for name, contender in contenders.items()}
    return {name: len(batch["input_ids"]) / taken for name, taken in median_seconds(runs, repeats).items()}


def titles_end_to_end(
    loaded: LoadedModel, graphs: Mapping[str, Path], titles: Sequence[str], threads: int, repeats: int
) -> dict[str, float]:
    """Titles a second, tokenizing included, side by side: FP32 padded to 128, and INT8 in batches by length."""
    tokenizer = build_tokenizer(loaded.vocabulary.tokens)
    sessions = {
        name: model_session(graphs[name], num_threads=threads, precision="int8" if "INT8" in name else "fp32")
        for name in (REFERENCE, "INT8", "3/4 INT8")
    }

    def run(name: str, by_length: bool) -> None:
        features = encode(tokenizer, titles, LENGTH)
        order = list(range(len(features)))
        arrival = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        for rows in batches_by_length([len(item) for item in features], BATCH) if by_length else arrival:
            length = None if by_length else LENGTH
            sessions[name].run(None, pad_batch([features[row] for row in rows], tokenizer.special.pad, length))

    ways = {f"{REFERENCE}, padded to {LENGTH}": partial(run, REFERENCE, False)}
    ways |= {f"{name}, by length": partial(run, name, True) for name in sessions}
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
        graphs = write_graphs(loaded, texts["train"], Path(name))
        report["sizes"] = {name: path.stat().st_size for name, path in graphs.items()}
        print("size on disk, MB (MiB)")
        for graph, size in report["sizes"].items():
            print(f"  {graph:<40}{size / 1e6:>8.1f} ({size / 2**20:.1f})")
        for count in threads:
            compared = {name: path for name, path in graphs.items() if "tokens" not in name}
            contenders = onnx_contenders(compared, count) | bf16_contenders(graphs[REFERENCE], count)
            for length in lengths:
                found = rates(contenders, random_batch(BATCH, length), repeats)
                report["sequences_per_second"][f"{count} threads, length {length}"] = found
                print(f"batch {BATCH}, length {length}, {count} threads: sequences/s, ratio to {REFERENCE}")
                for contender, rate in found.items():
                    print(f"  {contender:<40}{rate:>8.1f}{rate / found[REFERENCE]:>8.2f}x")
            found = titles_end_to_end(loaded, graphs, texts["dev"], count, repeats)
            report["titles_per_second"][f"{count} threads"] = found
            slowest = found[f"{REFERENCE}, padded to {LENGTH}"]
            print(f"{len(texts['dev'])} titles of tnews ({data.source}) end to end, {count} threads: titles/s")
            for way, rate in found.items():
                print(f"  {way:<40}{rate:>8.1f}{rate / slowest:>8.2f}x")
    return report
