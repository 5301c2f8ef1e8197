"""The names of `ernie_toolkit.inference.cli`, for programs that import them from this folder."""

from __future__ import annotations

from ernie_toolkit.inference.cli import add_gpu_arguments, build_parser, find_bundle, print_speed, shape_profile

__all__ = ["add_gpu_arguments", "build_parser", "find_bundle", "print_speed", "shape_profile"]
