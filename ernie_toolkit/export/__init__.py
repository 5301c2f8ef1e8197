"""Export: a trained Paddle model becomes a bundle of a static graph, ONNX, tokenizer and description."""

from ernie_toolkit.export.bundling import MAX_DIFFERENCE, Origin, export_bundle

__all__ = ["MAX_DIFFERENCE", "Origin", "export_bundle"]
