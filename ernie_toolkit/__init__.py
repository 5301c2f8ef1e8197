"""Fine-tune, compress and deploy the lightweight ERNIE 3.0 models for Chinese text.

    from ernie_toolkit import Session, TrainingOptions, load_dataset, load_model

    data = load_dataset("afqmc")
    task = data.spec.task(max_seq_length=128)
    session = Session(load_model("ernie-3.0-medium-zh", task), data, task)
    session.train(TrainingOptions(num_train_epochs=1), "best_models/afqmc")
    session.export("best_models/afqmc/export")

Each name below is imported when it is first asked for: this module alone needs neither numpy nor Paddle.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ernie_toolkit.bundle import Bundle as Bundle
    from ernie_toolkit.bundle import read_bundle as read_bundle
    from ernie_toolkit.compression import CompressionOptions as CompressionOptions
    from ernie_toolkit.compression import compress as compress
    from ernie_toolkit.data import DataSet as DataSet
    from ernie_toolkit.data import load_dataset as load_dataset
    from ernie_toolkit.data import make_dataset as make_dataset
    from ernie_toolkit.decoding import AnswerOptions as AnswerOptions
    from ernie_toolkit.errors import ToolkitError as ToolkitError
    from ernie_toolkit.inference import Predictor as Predictor
    from ernie_toolkit.models import load_model as load_model
    from ernie_toolkit.session import Session as Session
    from ernie_toolkit.tasks import make_task as make_task
    from ernie_toolkit.training.options import TrainingOptions as TrainingOptions

# Where each public name is defined.
_PLACES = {
    "AnswerOptions": "decoding",
    "Bundle": "bundle",
    "CompressionOptions": "compression",
    "DataSet": "data",
    "Predictor": "inference",
    "Session": "session",
    "ToolkitError": "errors",
    "TrainingOptions": "training.options",
    "compress": "compression",
    "load_dataset": "data",
    "load_model": "models",
    "make_dataset": "data",
    "make_task": "tasks",
    "read_bundle": "bundle",
}
__all__ = [*_PLACES]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = value  # the next time it is found at once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
