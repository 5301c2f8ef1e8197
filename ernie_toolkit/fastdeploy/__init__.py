"""FastDeploy 1.0.7: a bundle on one of its backends, and what the scripts of deploy/python share."""

from __future__ import annotations

from ernie_toolkit.fastdeploy.cli import build_parser, open_bundle, report, settings_of
from ernie_toolkit.fastdeploy.runtime import RuntimeSettings, open_predictor

__all__ = ["RuntimeSettings", "build_parser", "open_bundle", "open_predictor", "report", "settings_of"]
