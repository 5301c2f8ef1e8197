"""Prediction with ONNX Runtime alone: numpy, tokenizers and onnxruntime, no Paddle."""

from __future__ import annotations

from ernie_toolkit.inference.predictor import Predictor

__all__ = ["Predictor"]
