"""The compression benchmark: what it refuses before it measures, and how it takes turns. Nothing is timed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.compression.quantization.onnx import quantize_dynamic
from ernie_toolkit.data import DataSet
from ernie_toolkit.models import load_model


def call(root: Path, where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "benchmarks" / "compression.py"), *arguments]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--output", "nowhere/figures.json"), "nowhere is no directory: make it, or name another"),
        (("--output", "."), "cannot be written: it is a folder"),
        (("--speed_only", "--quality_only"), "not allowed with argument --speed_only"),
        (("--quality_only",), "--data_dir: quality is measured on real data"),
        (("--data_dir", ".", "--depth_mult_list", "deep"), "depth 'deep' is neither a fraction nor a decimal"),
        ((), "--data_dir: quality is measured on real data"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(
    root: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = call(root, tmp_path, *arguments)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and message in line and done.stdout == ""


def test_a_script_that_fails_is_told_in_one_line(root: Path, tmp_path: Path) -> None:
    done = call(root, tmp_path, "--quality_only", "--data_dir", ".", "--models", "no_models", "--datasets", "afqmc")
    own, last = done.stderr.splitlines()
    assert done.returncode == 2 and own.startswith("compress_seq_cls.py: error: no_models/afqmc: no fine-tuned model")
    assert last == f"compression.py: error: compress_seq_cls.py ended with code 2: {own}"


def test_variants_take_turns(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other in every round: a busy moment hits all of them."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    from compression_speed import median_seconds

    order: list[str] = []

    def contender(name: str) -> Callable[[], None]:
        return lambda: order.append(name)

    found = median_seconds({name: contender(name) for name in "abc"}, 2)
    assert order == list("abcabcabc") and list(found) == list("abc")


def test_titles_end_to_end(
    root: Path, bundle: Bundle, model_dir: Path, afqmc_sample: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way gets through all titles; on a tiny model, whose rows are shorter."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    import compression_speed

    monkeypatch.setattr(compression_speed, "LENGTH", 48)
    quantize_dynamic(bundle.path("onnx"), tmp_path / "int8.onnx")
    full, int8 = bundle.path("onnx"), compression_speed.Model(tmp_path / "int8.onnx")
    models = {"FP32": compression_speed.Model(full, precision="fp32"), "INT8": int8, "3/4 INT8": int8}
    models["OpenVINO BF16"] = compression_speed.Model(full, "openvino", "fp32")
    titles = [example["sentence1"] for example in afqmc_sample.split("dev")[:40]]
    found = compression_speed.titles_end_to_end(load_model(str(model_dir)), models, titles, 1, 1)
    assert list(found) == ["FP32, padded to 48", *(f"{name}, by length" for name in models)]
    assert min(found.values()) > 0


def test_rows_of_quality(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Depths have rows beside those of widths, and depth alone one of its own."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    from compression_quality import FORMS, table_rows

    def pruned(*depths: str) -> list[str]:
        return [row for row in table_rows(depths) if row.startswith("pruned") and row.endswith(", FP32")]

    assert pruned("1") == ["pruned 3/4, FP32", "pruned 1/2, FP32"]
    assert pruned("1", "2/3") == [
        f"pruned {size}, FP32" for size in ("3/4", "1/2", "depth 2/3", "3/4 depth 2/3", "1/2 depth 2/3")
    ]
    assert len(table_rows(("2/3",))) == 3 + 3 * len(FORMS)
