"""How weights are rounded to INT8: symmetric, with one step for each row or column, or one for the whole matrix."""

import numpy as np

INT8_MAX = 127
# Smaller steps are subnormal and would lose the values: those are zero for all that a model computes.
LEAST_STEP = float(np.finfo(np.float32).tiny)


def int8_scales(values: np.ndarray, axis: int | None) -> np.ndarray:
    """The INT8 step of each row or column of a matrix, 1 where all values are zero.

    Args:
        values: Float32 of shape (rows, columns).
        axis: The one that a scale covers; None: both.

    Returns:
        Float32 of shape (1, columns) for axis 0, (rows, 1) for 1, (1, 1) for None.

    Raises:
        ValueError: On values that are not finite.
    """
    if not np.isfinite(values).all():
        raise ValueError("the weight has values that are not finite")
    largest = np.abs(values).max(axis=axis, keepdims=True)
    scales = (largest / np.float32(INT8_MAX)).astype(np.float32)
    return np.where(scales < LEAST_STEP, np.float32(1), scales)


def quantize_int8(values: np.ndarray, axis: int | None) -> tuple[np.ndarray, np.ndarray]:
    """INT8 values and their scales, so that `integers * scales` is nearest to the matrix.

    Args:
        values: See `int8_scales`.
        axis: See `int8_scales`.

    Returns:
        Int8 of the matrix's shape, between -127 and 127, and the scales.
    """
    scales = int8_scales(values, axis)
    return np.clip(np.rint(values / scales), -INT8_MAX, INT8_MAX).astype(np.int8), scales


def round_to_int8(values: np.ndarray, axis: int | None) -> np.ndarray:
    """A matrix with each value at the INT8 step nearest to it, float32 of the same shape.

    Args:
        values: See `int8_scales`.
        axis: See `int8_scales`.
    """
    integers, scales = quantize_int8(values, axis)
    return integers * scales
