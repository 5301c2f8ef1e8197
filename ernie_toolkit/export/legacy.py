"""Static graphs in the format before PIR (`.pdmodel`), which FastDeploy's Paddle backend and Paddle Serving read.

PaddlePaddle 3.3.1 still writes it with FLAGS_enable_pir_api=0, set before it is imported, but some of its functions
then build PIR operators and fail ("must be Value, but got Variable"). So this runs in a process of its own, where
those of `OPERATORS` append the old operators (matmul_v2, gelu, tanh, sqrt) to the program instead.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.bundle.info import INPUTS
from ernie_toolkit.console import exit_on_toolkit_error, prepare_console
from ernie_toolkit.errors import BundleError, ModelError
from ernie_toolkit.export.bundling import MAX_DIFFERENCE, largest_difference, onnx_logits
from ernie_toolkit.files import replaced_directory
from ernie_toolkit.inference.console import examples_of
from ernie_toolkit.inference.predictor import bundle_task
from ernie_toolkit.text.dataset import run_rows
from ernie_toolkit.text.tokenization import load_tokenizer

FLAG = "FLAGS_enable_pir_api"
FOLDER = "legacy"
PROG = "legacy.py"
# Function -> old operator, its input slots by parameter, its attributes by parameter with their defaults.
OPERATORS: dict[str, tuple[str, dict[str, str], dict[str, tuple[str, bool]]]] = {
    "matmul": (
        "matmul_v2",
        {"x": "X", "y": "Y"},
        {"transpose_x": ("trans_x", False), "transpose_y": ("trans_y", False)},
    ),
    "gelu": ("gelu", {"x": "X"}, {"approximate": ("approximate", False)}),
    "tanh": ("tanh", {"x": "X"}, {}),
    "sqrt": ("sqrt", {"x": "X"}, {}),
    "maximum": ("elementwise_max", {"x": "X", "y": "Y"}, {}),
}
# Where Paddle's own dispatch to PIR begins; the functions are replaced under every other name.
CORE = ("paddle.base.libpaddle", "paddle._C_ops", "paddle._pir_ops", "paddle._legacy_C_ops", "paddle.sparse")


def export_legacy(model_dir: Path, bundle_dir: Path) -> Path:
    """Write `legacy/model.pdmodel` and `legacy/model.pdiparams` into a bundle's directory, in a process of their own.

    Args:
        model_dir: The model that the bundle was exported from.
        bundle_dir: The bundle.

    Returns:
        The folder of the files.

    Raises:
        ModelError: Where the process fails, with its last line.
    """
    command = [sys.executable, "-m", "ernie_toolkit.export.legacy", str(model_dir), str(bundle_dir)]
    result = subprocess.run(command, env={**os.environ, FLAG: "0"}, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.strip()] or ["no reason given"]
        reason = lines[-1].partition(f"{PROG}: error: ")[2] or lines[-1]
        raise ModelError(f"{model_dir}: the old format could not be written: {reason[:300]}")
    return bundle_dir / FOLDER


def _legacy_function(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function, with the old operator where a program is built."""
    import paddle
    from paddle.base.layer_helper import LayerHelper

    operator, slots, attributes = OPERATORS[name]
    parameters = [*slots, *attributes]

    def call(*args: Any, **kwargs: Any) -> Any:
        if paddle.in_dynamic_mode():
            return original(*args, **kwargs)
        given = {**dict(zip(parameters, args, strict=False)), **kwargs}
        helper = LayerHelper(operator)
        out = helper.create_variable_for_type_inference(given["x"].dtype)
        helper.append_op(
            type=operator,
            inputs={slot: given[parameter] for parameter, slot in slots.items()},
            outputs={"Out": out},
            attrs={attribute: given.get(parameter, default) for parameter, (attribute, default) in attributes.items()},
        )
        return out

    return call


def _bind_legacy_functions() -> None:
    """Put the functions of `OPERATORS` in the place of Paddle's, under every name that its modules have for them."""
    import paddle
    import paddlenlp.transformers  # noqa: F401  its modules have such names too
    from paddle import _C_ops

    for name in OPERATORS:
        public = getattr(paddle, name, None) or getattr(paddle.nn.functional, name)
        replacement = _legacy_function(public, name)
        originals = (public, getattr(_C_ops, name))
        # `from paddle import tensor` gives a function that has the module's names as attributes.
        for path, module in [*sys.modules.items(), ("paddle.tensor", paddle.tensor)]:
            outside = path.split(".")[0] not in ("paddle", "paddlenlp") or path.startswith(CORE)
            if not outside and any(getattr(module, "__dict__", {}).get(name) is item for item in originals):
                setattr(module, name, replacement)


def _write(model_dir: Path, bundle_dir: Path) -> None:
    """What runs in the process of its own: save, run what was saved, compare with the model and with the bundle."""
    import paddle

    from ernie_toolkit.models import load_model
    from ernie_toolkit.training import predict_logits

    bundle = read_bundle(bundle_dir)
    info = bundle.info
    task = bundle_task(info, bundle_dir)
    _bind_legacy_functions()  # before the layers of the model take hold of Paddle's own
    loaded = load_model(str(model_dir), info.labels or None, task=task.name)
    if loaded.fresh:
        raise ModelError(f"{model_dir} has no trained head for the task '{task.name}'")
    rows = task.encode(load_tokenizer(bundle.path("tokenizer")), examples_of(info))
    expected = predict_logits(loaded.model, rows, 16)
    loaded.model.eval()
    spec = [paddle.static.InputSpec([None, None], "int64", name) for name in INPUTS]
    static = paddle.jit.to_static(loaded.model, input_spec=spec, full_graph=True)
    with replaced_directory(bundle_dir / FOLDER) as staging:
        paddle.jit.save(static, str(staging / "model"))
        got = run_rows(rows, 16, _runner(staging))
        difference = largest_difference(got, expected)
        if not difference <= MAX_DIFFERENCE:
            raise BundleError(f"the logits of the old format differ from Paddle's by up to {difference:.2e}")
        # A model that was trained again after its export is not that of the bundle any more. Both formats may be
        # MAX_DIFFERENCE from Paddle, in opposite directions.
        apart = largest_difference(got, onnx_logits(bundle.path("onnx"), rows, 16)[0])
        if not apart <= 2 * MAX_DIFFERENCE:
            raise BundleError(
                f"its logits differ from those of model.onnx by up to {apart:.2e}: export the model again"
            )
    print(json.dumps({"rows": len(rows), "max_abs_difference": difference}))


def _runner(folder: Path) -> Callable[[Any], Sequence[np.ndarray]]:
    """Computes batches with the saved program."""
    import paddle

    paddle.enable_static()
    executor = paddle.static.Executor(paddle.CPUPlace())
    program, _, outputs = paddle.static.load_inference_model(str(folder / "model"), executor)

    def run(batch: Any) -> Sequence[np.ndarray]:
        arrays: Sequence[np.ndarray] = executor.run(program, feed=dict(batch), fetch_list=outputs)
        return arrays

    return run


if __name__ == "__main__":
    prepare_console()
    with exit_on_toolkit_error(PROG):
        _write(Path(sys.argv[1]), Path(sys.argv[2]))
