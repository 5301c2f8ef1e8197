"""The one rounding to INT8, held against a calculation by hand and against ONNX Runtime's quantizer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto
from onnxruntime.quantization.quant_utils import quantize_data

from ernie_toolkit.compression.quantization.numeric import int8_scales, quantize_int8, round_to_int8


def test_rows_by_hand() -> None:
    table = np.array([[1.27, -0.64, 0.0], [0.0, 0.0, 0.0], [-254.0, 3.0, 1.0]], dtype=np.float32)
    values, scales = quantize_int8(table, axis=1)
    assert scales.ravel().tolist() == pytest.approx([0.01, 1.0, 2.0])
    assert values.tolist() == [[127, -64, 0], [0, 0, 0], [-127, 2, 0]]  # 1.5 and 0.5 go to the even neighbour
    with pytest.raises(ValueError, match="not finite"):
        quantize_int8(np.array([[np.inf, 1.0]], dtype=np.float32), axis=1)


@settings(deadline=None)
@given(
    arrays(
        np.float32, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.floats(-(2.0**90), 2.0**90, width=32)
    ),
    st.sampled_from([0, 1, None]),
)
def test_no_value_is_further_off_than_half_a_step(table: np.ndarray, axis: int | None) -> None:
    values, scales = quantize_int8(table, axis)
    assert values.dtype == np.int8 and np.abs(values.astype(int)).max() <= 127
    assert np.array_equal(scales, int8_scales(table, axis)) and scales.dtype == np.float32
    error = np.abs(values.astype(np.float64) * scales - table)
    tiny = 127 * np.finfo(np.float32).tiny
    assert (error <= np.maximum(scales.astype(np.float64) * 0.5001, tiny) * np.ones_like(error)).all()
    assert np.array_equal(round_to_int8(table, axis), values * scales)


# From half of float32's range on, the quantizer of onnxruntime 1.23 (Python 3.10) overflows where later ones do not.
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-45, 1e-38, 1e-20, 1.0, 1e20, 1.5e38]))
@settings(max_examples=60, deadline=None)
def test_columns_are_rounded_as_onnxruntime_does(seed: int, size: float) -> None:
    """To the bit: what adaptive rounding and training choose are the very steps that the INT8 model has."""
    generator = np.random.default_rng(seed)
    weight = (generator.uniform(-1, 1, (9, 4)) * size).astype(np.float32)
    weight[:, 1] = 0
    weight[:, 2] = np.abs(weight[:, 2])
    weight[:, 3] = np.round(weight[:, 3] / np.float32(size), 1) * np.float32(size)
    values, scales = quantize_int8(weight, axis=0)
    for column in range(weight.shape[1]):
        zero_point, scale, expected = quantize_data(weight[:, column], TensorProto.INT8, True)
        assert zero_point == 0 and scales[0, column].tobytes() == scale.tobytes()
        np.testing.assert_array_equal(values[:, column], expected)
