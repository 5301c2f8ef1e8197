"""FP16 copies of models, for GPUs; needs the onnx package, which CPU deployments do without."""

from __future__ import annotations

from pathlib import Path

from ernie_toolkit.errors import ConfigError


def half_precision_bytes(source: Path) -> bytes:
    """A model that computes in float16 and is read and answered as before, by ONNX Runtime's own converter.

    Args:
        source: The FP32 model's file.

    Raises:
        ConfigError: Where the onnx package is missing.
    """
    try:
        import onnx
    except ImportError as error:
        raise ConfigError(
            "precision 'fp16' converts the model with the onnx package, which is not installed: pip install onnx, "
            "or take a bundle with a model_fp16.onnx (compress_*.py --fp16)"
        ) from error
    from onnxruntime.transformers.float16 import convert_float_to_float16

    converted: bytes = convert_float_to_float16(onnx.load(str(source)), keep_io_types=True).SerializeToString()
    return converted
