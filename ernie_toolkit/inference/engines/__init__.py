"""Runtimes: sessions of ONNX Runtime, their precisions, and how a GPU is used."""
