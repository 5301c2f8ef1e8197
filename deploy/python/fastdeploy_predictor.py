"""The names of `ernie_toolkit.fastdeploy`, for programs that import them from this folder."""

from __future__ import annotations

from ernie_toolkit.fastdeploy import (
    RuntimeSettings,
    build_parser,
    open_bundle,
    open_predictor,
    report,
    settings_of,
)

__all__ = ["RuntimeSettings", "build_parser", "open_bundle", "open_predictor", "report", "settings_of"]
