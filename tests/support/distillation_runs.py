"""A small distillation, halted where a test wants it, and the weights that it leaves."""

import dataclasses
from pathlib import Path

import numpy as np
from compression_runs import TRAINING, halting
from tiny import PAIRS

from ernie_toolkit.compression.distillation.options import DistillationOptions
from ernie_toolkit.compression.distillation.run import DistillationRequest, distill
from ernie_toolkit.compression.report.model import Report
from ernie_toolkit.data import DataSet
from ernie_toolkit.models import LoadedModel
from ernie_toolkit.session import Session
from ernie_toolkit.tasks import Task
from ernie_toolkit.text.features import TextInput
from ernie_toolkit.training.options import TrainingOptions

CUT, NARROW, SLICE = "layers=1,hidden=32,heads=4,intermediate=64", "layers=1,hidden=24,heads=6", "width=1/2"
NAMES = {CUT: "layers1_hidden32_heads4_intermediate64", NARROW: "layers1_hidden24_heads6", SLICE: "width_mult_0.5"}
OPTIONS = DistillationOptions(students=(CUT, NARROW), num_threads=1)


def run_distillation(
    loaded: LoadedModel,
    data: DataSet,
    directory: Path,
    task: Task = PAIRS,
    resume: bool = False,
    overwrite: bool = False,
    halt: str = "",
    said: list[str] | None = None,
    texts: tuple[TextInput, ...] = (),
    training: TrainingOptions = TRAINING,
    **values: object,
) -> Report:
    """Distil; stop with `Halt` after the line that begins with `halt`."""
    options = dataclasses.replace(OPTIONS, **values)  # type: ignore[arg-type]
    request = DistillationRequest(options, training, directory, resume, overwrite)
    return distill(Session(loaded, data, task), request, texts, halting(halt, said))


def weights_of(directory: Path) -> dict[str, np.ndarray]:
    """The weights of a model directory, by name."""
    from safetensors.numpy import load_file

    return load_file(directory / "model_state.safetensors")


def equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Whether two sets of weights are the same to the bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
