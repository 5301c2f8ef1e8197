"""Cascades of tiny bundles with thresholds of one's choice."""

from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.bundle import BUNDLE_FILE, Bundle, CascadeBundle
from ernie_toolkit.bundle.cascade import CascadeInfo, CascadePart
from ernie_toolkit.bundle.directory import part_name
from ernie_toolkit.files import sha256_of
from ernie_toolkit.inference.cascade.files import write_cascade

SHAPES: tuple[dict[str, object], ...] = ({"num_hidden_layers": 1, "hidden_size": 16}, {}, {"num_hidden_layers": 3})
"""Of the models of three parts, so that they answer differently."""


def make_cascade(
    directory: Path,
    parts: Sequence[Bundle],
    thresholds: Sequence[float],
    confidence: str = "max_probability",
    temperatures: Sequence[float] = (1.25, 0.75, 1.5),
) -> CascadeBundle:
    """Write a cascade with these thresholds, one for each part but the last; its figures are of no measurement."""
    entries = tuple(
        CascadePart(
            part_name(number),
            sha256_of(part.directory / BUNDLE_FILE),
            temperatures[number - 1],
            threshold,
            1 / len(parts),
            0.5,
            10.0,
            "onnxruntime",
            "fp32",
        )
        for number, (part, threshold) in enumerate(zip(parts, (*thresholds, 0.0), strict=True), 1)
    )
    info = CascadeInfo(
        task=parts[0].info.task,
        dataset=parts[0].info.dataset,
        data_source="sample",
        confidence=confidence,
        parts=entries,
        metric_name="accuracy",
        metric=0.5,
        sequences_per_second=20.0,
        max_drop=0.5,
        drop=0.0,
        choosing_rows=20,
        measuring_rows=20,
        seed=1,
        batch_size=32,
        processor="none",
        warnings=("untrained models",),
    )
    return write_cascade(directory, parts, info)
