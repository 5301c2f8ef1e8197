"""Fine-tune, compress and deploy the lightweight ERNIE 3.0 models for Chinese text."""

from __future__ import annotations

__version__ = "0.1.0"
