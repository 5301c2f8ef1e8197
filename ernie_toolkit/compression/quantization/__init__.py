"""Quantization after training: calibration, rounding, ONNX models in INT8."""
