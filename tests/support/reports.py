"""Reports of compression runs, made up."""

from typing import Any

from hypothesis import strategies as st

from ernie_toolkit.compression.report.model import (
    Candidate,
    Report,
)


def candidate(name: str = "INT8 dynamic", figure: float = 0.73, **changes: Any) -> Candidate:
    """A candidate of a model whose accuracy is 0.74."""
    values = {
        "name": name,
        "width": "1",
        "precision": "int8",
        "method": "dynamic",
        "settings": {"round_type": "round"},
        "embeddings": False,
        "vocabulary": 100,
        "parameters": 2_500_000,
        "size": 2_000_000,
        "metrics": {"accuracy": figure, "loss": 0.6},
        "latency_ms": 5.0,
        "sequences_per_second": 1234.5,
        "flops": 3_000_000_000,
        "kept": False,
        "file": "",
    }
    return Candidate(**{**values, **changes})


def make_report(*candidates: Candidate, **changes: Any) -> Report:
    """A report with an FP32 model of twice the time and four times the size."""
    baseline = candidate(
        "FP32",
        0.74,
        precision="fp32",
        method="",
        settings={},
        size=8_000_000,
        latency_ms=10.0,
        sequences_per_second=493.8,
        kept=True,
        file="width_mult_1/export/model.onnx",
    )
    values = {
        "dataset": "afqmc",
        "task": "seq_cls",
        "metric": "accuracy",
        "model": "best_models/afqmc",
        "strategy": "dynabert+ptq",
        "data_source": "official",
        "warnings": (),
        "dev_rows": 4316,
        "threads": 2,
        "seed": 42,
        "settings": {"algo_list": ["mse"]},
        "versions": {"onnxruntime": "1.0"},
        "baseline": baseline,
        "candidates": candidates,
        "flops_length": 128,
        "row_tokens": (5, 20, 48),
        "processor": "Some CPU",
    }
    return Report(**{**values, **changes})


text = st.text(max_size=12)


number = st.floats(allow_nan=False, allow_infinity=False)


values = st.dictionaries(text, st.one_of(st.none(), st.booleans(), st.integers(), number, text, st.lists(text)))


candidates = st.builds(
    Candidate,
    text,
    text,
    st.sampled_from(["fp32", "int8", "fp16"]),
    text,
    values,
    st.booleans(),
    st.integers(),
    st.integers(),
    st.integers(),
    st.dictionaries(text, number),
    st.none() | number,
    st.none() | number,
    st.none() | st.integers(),
    st.booleans(),
    text,
)
