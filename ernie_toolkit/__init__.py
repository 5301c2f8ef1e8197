"""Fine-tune, compress and deploy the lightweight ERNIE 3.0 models for Chinese text."""

__version__ = "0.1.0"
