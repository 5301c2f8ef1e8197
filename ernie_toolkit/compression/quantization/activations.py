"""What the matrix products of an ONNX graph read, on calibration batches."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ernie_toolkit.compression.quantization.calibration import BINS, Extremes, Histogram, empty_histogram, extremes_of
from ernie_toolkit.inference.engines.onnxruntime import model_session
from ernie_toolkit.text.dataset import Batch, EncodedDataset
from ernie_toolkit.text.features import pad_batch

Statistics = dict[str, tuple[Extremes, Histogram]]
Observer = Callable[[Batch], dict[str, np.ndarray]]


def calibration_batches(rows: EncodedDataset, batch_size: int, count: int, seed: int) -> list[Batch]:
    """Batches of rows drawn at random, each padded to its own longest; fewer where the rows run out.

    Two grids of batch size and count that need as many rows draw the same ones.

    Args:
        rows: The rows to draw from.
        batch_size: Rows in a batch.
        count: Batches to draw.
        seed: Of the draw.
    """
    order = np.random.default_rng(seed).permutation(len(rows))[: batch_size * count]
    groups = [order[start : start + batch_size].tolist() for start in range(0, len(order), batch_size)]
    return [pad_batch([rows.features[row] for row in group], rows.pad_id) for group in groups]


def activation_observer(source: Path, names: Sequence[str], pad_id: int, num_threads: int | None = None) -> Observer:
    """A function that runs a batch through an FP32 graph and gives some of its activations by name.

    Each is float32 of shape (vectors, size): those at padding, which no answer depends on, are left out.

    Args:
        source: The graph's ONNX file.
        names: The activations to give, by their names in the graph.
        pad_id: The id of [PAD] in `input_ids`.
        num_threads: Threads that compute a batch; None: as many as there are processors available.
    """
    import onnx

    model = onnx.load(str(source))
    present = {output.name for output in model.graph.output}
    for name in names:
        if name not in present:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    session = model_session(model.SerializeToString(), num_threads=num_threads)

    def observe(batch: Batch) -> dict[str, np.ndarray]:
        mask = batch["input_ids"] != pad_id
        values = dict(zip(names, session.run(list(names), batch), strict=True))
        return {name: _vectors(value, mask) for name, value in values.items()}

    return observe


def _vectors(value: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Those of all tokens; one of each row where there is only that (what the pooler and the classifier read)."""
    tokens = value.ndim == 3 and value.shape[:2] == mask.shape
    return value[mask] if tokens else value.reshape(-1, value.shape[-1])


def activation_statistics(observe: Observer, batches: Sequence[Batch], bins: int = BINS) -> Statistics:
    """Extremes and histogram of each activation over some batches, which are run twice: for either.

    Args:
        observe: Of `activation_observer`.
        batches: Of `calibration_batches`.
        bins: How many bins each histogram has.
    """
    seen: dict[str, list[np.ndarray]] = {}
    for values in map(observe, batches):
        for name, value in values.items():
            # The extremes of these two are those of the whole, at no memory.
            seen.setdefault(name, []).append(np.array([value.min(), value.max()]))
    extremes = {name: extremes_of(pairs) for name, pairs in seen.items()}
    histograms = {name: empty_histogram(found, bins) for name, found in extremes.items()}
    for values in map(observe, batches):
        for name, value in values.items():
            histograms[name] = histograms[name].with_values(value)
    return {name: (extremes[name], histograms[name]) for name in extremes}
