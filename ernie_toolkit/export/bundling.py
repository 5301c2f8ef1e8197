"""Write a bundle: export, compare ONNX Runtime with Paddle on real rows, describe, rename into place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ernie_toolkit.bundle import (
    ONNX_FILE,
    TOKENIZER_FILE,
    Bundle,
    BundleInfo,
    file_entry,
    read_bundle,
    write_bundle_info,
)
from ernie_toolkit.bundle.info import INPUTS
from ernie_toolkit.errors import BundleError
from ernie_toolkit.export.graph import convert_to_onnx, save_static_graph
from ernie_toolkit.files import replaced_directory, target_of
from ernie_toolkit.formats.weights import weights_sha256
from ernie_toolkit.tasks import Task
from ernie_toolkit.text.dataset import EncodedDataset, Outputs, run_rows
from ernie_toolkit.text.features import TextInput
from ernie_toolkit.text.tokenization import WordPieceTokenizer
from ernie_toolkit.training.run import predict_logits

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedModel

MAX_DIFFERENCE = 1e-4


@dataclass(frozen=True)
class Origin:
    """Where a model came from, as its bundle says.

    Attributes:
        dataset: The name of the data set that it was trained on.
        data_source: Where that came from (see `DataSet.source`).
        metrics: Dev metrics by name.
        warnings: Lines that belong beside every result.
    """

    dataset: str
    data_source: str
    metrics: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def onnx_logits(path: Path, dataset: EncodedDataset, batch_size: int) -> tuple[Outputs, tuple[str, ...]]:
    """Logits of all rows by ONNX Runtime on the CPU, and the names of the graph's outputs.

    Args:
        path: The ONNX file.
        dataset: The rows.
        batch_size: Rows that are computed at once.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = tuple(output.name for output in session.get_outputs())
    return run_rows(dataset, batch_size, lambda batch: session.run(names, batch)), names


def largest_difference(one: Outputs, other: Outputs) -> float:
    """The largest absolute difference of two computations' logits of the same rows.

    Args:
        one: Logits by the one (see `Outputs`).
        other: Logits by the other.
    """
    return float(np.max([np.abs(a - b).max() for a, b in zip(one, other, strict=True)]))


def export_bundle(
    model: "PretrainedModel",
    tokenizer: WordPieceTokenizer,
    task: Task,
    origin: Origin,
    parity_texts: Sequence[TextInput],
    directory: Path,
    max_difference: float = MAX_DIFFERENCE,
    weights_file: Path | None = None,
    measure: Callable[[Path], dict[str, float]] | None = None,
) -> Bundle:
    """Export a trained model to `directory`, which is replaced when everything is written and checked.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        task: Its task.
        origin: Where it came from.
        parity_texts: Real inputs on which Paddle's and ONNX Runtime's logits are compared.
        directory: The bundle's directory.
        max_difference: The largest absolute difference of logits that is allowed.
        weights_file: The file that holds the model's weights, whose checksum the bundle carries (see `weights_sha256`);
            None where there is none.
        measure: Gives the dev metrics of the ONNX file, in place of those of `origin`.

    Raises:
        BundleError: Where logits differ by more; an earlier bundle is left as it was.
    """
    dataset = task.encode(tokenizer, parity_texts)
    expected = predict_logits(model, dataset, batch_size=16)
    with replaced_directory(directory) as staging:
        program, weights = save_static_graph(model, staging)
        convert_to_onnx(program, weights, staging / ONNX_FILE)
        got, outputs = onnx_logits(staging / ONNX_FILE, dataset, batch_size=16)
        difference = largest_difference(got, expected)
        if not difference <= max_difference:
            raise BundleError(
                f"{target_of(directory)} was not written: on {len(dataset)} rows the ONNX logits differ from Paddle's "
                f"by up to {difference:.2e}, over {max_difference:.0e}"
            )
        tokenizer.save(staging / TOKENIZER_FILE)
        files = {
            "tokenizer": staging / TOKENIZER_FILE,
            "onnx": staging / ONNX_FILE,
            "paddle_program": program,
            "paddle_weights": weights,
        }
        info = BundleInfo(
            task=task.name,
            dataset=origin.dataset,
            labels=task.labels,
            label_names=task.label_names,
            text_format=task.text_format,
            max_seq_length=task.max_seq_length,
            inputs=INPUTS,
            outputs=outputs,
            files={role: file_entry(path) for role, path in files.items()},
            data_source=origin.data_source,
            limits=task.limits,
            thresholds=task.thresholds,
            metrics=measure(staging / ONNX_FILE) if measure is not None else origin.metrics,
            parity={"rows": float(len(dataset)), "max_abs_difference": difference},
            warnings=origin.warnings,
            weights_sha256=weights_sha256(weights_file) if weights_file is not None else "",
        )
        write_bundle_info(staging, info)
    return read_bundle(directory)
