"""Prediction with ONNX Runtime alone: numpy, tokenizers and onnxruntime, no Paddle."""

from ernie_toolkit.inference.predictor import Predictor

__all__ = ["Predictor"]
