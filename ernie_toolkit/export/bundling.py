"""Write a bundle: export, compare ONNX Runtime with Paddle on real rows, describe, rename into place."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ernie_toolkit.batching import batches_by_length
from ernie_toolkit.bundle import (
    ONNX_FILE,
    TOKENIZER_FILE,
    Bundle,
    BundleInfo,
    file_entry,
    read_bundle,
    write_bundle_info,
)
from ernie_toolkit.errors import BundleError
from ernie_toolkit.export.graph import INPUTS, convert_to_onnx, save_static_graph
from ernie_toolkit.features import TextInput, encode
from ernie_toolkit.files import replaced_directory
from ernie_toolkit.tokenization import WordPieceTokenizer
from ernie_toolkit.training.dataset import EncodedDataset
from ernie_toolkit.training.run import predict_logits

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedModel

MAX_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class TaskDescription:
    """What a bundle must know beyond the graph: labels, how texts were read, and where the model came from."""

    dataset: str
    labels: tuple[str, ...]
    label_names: tuple[str, ...] | None
    text_format: str
    max_seq_length: int
    data_source: str
    task: str = "seq_cls"
    metrics: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def onnx_logits(path: Path, dataset: EncodedDataset, batch_size: int) -> tuple[np.ndarray, str]:
    """Logits of all rows by ONNX Runtime on the CPU, float32 of shape (rows, classes), and the output's name."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    output = session.get_outputs()[0].name
    parts: dict[int, np.ndarray] = {}
    for rows in batches_by_length(dataset.lengths(), batch_size):
        batch = dataset.collate(rows)
        logits = session.run([output], {name: batch[name] for name in INPUTS})[0]
        parts.update(zip(rows, logits, strict=True))
    return np.stack([parts[row] for row in range(len(dataset))]), output


def export_bundle(
    model: "PretrainedModel",
    tokenizer: WordPieceTokenizer,
    description: TaskDescription,
    parity_texts: Sequence[TextInput],
    directory: Path,
    max_difference: float = MAX_DIFFERENCE,
) -> Bundle:
    """Export a trained model to `directory`, which is replaced when everything is written and checked.

    `parity_texts`: real inputs on which Paddle's and ONNX Runtime's logits are compared; a largest absolute
    difference over `max_difference` raises BundleError and leaves an earlier bundle as it was.
    """
    dataset = EncodedDataset(encode(tokenizer, parity_texts, description.max_seq_length), None, tokenizer.special.pad)
    expected = predict_logits(model, dataset, batch_size=16)
    with replaced_directory(directory) as staging:
        program, weights = save_static_graph(model, staging)
        convert_to_onnx(program, weights, staging / ONNX_FILE)
        got, output = onnx_logits(staging / ONNX_FILE, dataset, batch_size=16)
        difference = float(np.abs(got - expected).max())
        if not difference <= max_difference:
            raise BundleError(
                f"{directory} was not written: on {len(dataset)} rows the ONNX logits differ from Paddle's by up to "
                f"{difference:.2e}, over {max_difference:.0e}"
            )
        tokenizer.save(staging / TOKENIZER_FILE)
        files = {
            "tokenizer": staging / TOKENIZER_FILE,
            "onnx": staging / ONNX_FILE,
            "paddle_program": program,
            "paddle_weights": weights,
        }
        info = BundleInfo(
            task=description.task,
            dataset=description.dataset,
            labels=description.labels,
            label_names=description.label_names,
            text_format=description.text_format,
            max_seq_length=description.max_seq_length,
            inputs=INPUTS,
            outputs=(output,),
            files={role: file_entry(path) for role, path in files.items()},
            data_source=description.data_source,
            metrics=description.metrics,
            parity={"rows": float(len(dataset)), "max_abs_difference": difference},
            warnings=description.warnings,
        )
        write_bundle_info(staging, info)
    return read_bundle(directory)
