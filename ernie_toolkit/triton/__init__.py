"""Triton Inference Server: model repositories from bundles, and the Python models that they run."""
