"""Paddle model to static graph to ONNX."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ernie_toolkit.bundle.info import INPUTS
from ernie_toolkit.errors import ModelError
from ernie_toolkit.export.tidying import tidy_graph

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedModel

# Opset 13 is the newest that every runtime of the deployments reads (FastDeploy's OpenVINO stops there);
# ONNX Runtime fuses its layer normalisation as well as opset 17's operator.
OPSET = 13


@contextlib.contextmanager
def captured_output() -> Iterator[io.StringIO]:
    """Keep a block's writes to the process's standard output and error, C++ ones too, and give them afterwards."""
    import sys
    import tempfile

    sys.stdout.flush()
    sys.stderr.flush()
    text = io.StringIO()
    saved = os.dup(1), os.dup(2)
    with tempfile.TemporaryFile() as stream:
        try:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
            yield text
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for target, source in zip((1, 2), saved, strict=True):
                os.dup2(source, target)
                os.close(source)
            stream.seek(0)
            text.write(stream.read().decode("utf-8", "replace"))


def save_static_graph(model: "PretrainedModel", directory: Path) -> tuple[Path, Path]:
    """Write a model's static graph (PIR) as `model.json` and `model.pdiparams`; both dimensions stay dynamic.

    Args:
        model: The model, which is put into evaluation mode.
        directory: Gets the files.

    Returns:
        The paths of the graph and of its weights.
    """
    import paddle
    from paddle.static import InputSpec

    model.eval()
    spec = [InputSpec([None, None], "int64", name) for name in INPUTS]
    static = paddle.jit.to_static(model, input_spec=spec, full_graph=True)
    with captured_output():
        paddle.jit.save(static, str(directory / "model"))
    # Training continues in dygraph afterwards: undo what to_static did to the object.
    model.forward = model.forward.rollback()
    return directory / "model.json", directory / "model.pdiparams"


@contextlib.contextmanager
def _no_installing() -> Iterator[None]:
    """Keep polygraphy, which paddle2onnx folds constants with, from calling pip for packages it misses."""
    import polygraphy.config

    variable = "POLYGRAPHY_AUTOINSTALL_DEPS"
    before = polygraphy.config.AUTOINSTALL_DEPS, os.environ.get(variable)
    polygraphy.config.AUTOINSTALL_DEPS = False
    try:
        yield
    finally:
        polygraphy.config.AUTOINSTALL_DEPS = before[0]
        os.environ.pop(variable, None)  # paddle2onnx.export sets it
        if before[1] is not None:
            os.environ[variable] = before[1]


def convert_to_onnx(program: Path, weights: Path, target: Path) -> None:
    """Convert a static graph to an ONNX file of opset 13 with its weights as initializers.

    Args:
        program: The graph's file.
        weights: The file of its weights.
        target: The ONNX file.

    Raises:
        ModelError: Where the converter fails, or leaves weights as Constant nodes: such a file is a third larger, and
            quantizers find nothing in it.
    """
    import onnx
    import paddle2onnx

    with captured_output() as output, _no_installing():
        paddle2onnx.export(str(program), str(weights), str(target), opset_version=OPSET, verbose=False)
    if not target.is_file():
        reason = " ".join(output.getvalue().split())[-300:]
        raise ModelError(f"paddle2onnx wrote no {target.name} for {program}: {reason}")
    model = onnx.load(str(target))
    if not model.graph.initializer:
        reason = " ".join(output.getvalue().split())[-300:]
        raise ModelError(
            f"paddle2onnx did not fold the constants of {program}: install onnx-graphsurgeon and sympy as "
            f"requirements.txt pins them ({reason})"
        )
    tidy_graph(model)
    onnx.save(model, str(target))
