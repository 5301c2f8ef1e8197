"""The names of `ernie_toolkit.paddle_serving.pipeline`, for programs that import them from this folder."""

from __future__ import annotations

from ernie_toolkit.paddle_serving.pipeline import LabelOp, Server, StringRequest, serve

__all__ = ["LabelOp", "Server", "StringRequest", "serve"]
