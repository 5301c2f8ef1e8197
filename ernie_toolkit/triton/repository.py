"""Write a model repository for Triton from a bundle.

Layout: https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/model_repository.html
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import BUNDLE_FILE, ONNX_FILE, Bundle, read_bundle
from ernie_toolkit.bundle.info import INPUTS
from ernie_toolkit.compat import strict_zip
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.transactions import transaction
from ernie_toolkit.formats.ranges import INSTANCES, QUEUE_DELAY, THREADS_OR_ALL, TRITON_BATCH, check_number
from ernie_toolkit.inference.engines.base import AUTO, DEVICES, ENGINES, PRECISIONS
from ernie_toolkit.tasks import HEADS, TASKS
from ernie_toolkit.tasks.base import Tensor
from ernie_toolkit.text.formats import PAIR_FORMATS
from ernie_toolkit.triton.interface import Interface, interface_of
from ernie_toolkit.triton.pbtxt import Symbol, format_message

BACKENDS = ("python", "onnxruntime", "fastdeploy")
VERSION = "1"
# Rows that a request may have in the model step for each text: a long text is read in several windows.
WINDOWS_OF_A_TEXT = 64
# The server's own batching merges equal shapes only: lengths in steps of this make shapes meet.
PAD_MULTIPLE = {"python": 1, "onnxruntime": 16, "fastdeploy": 16}


@dataclass(frozen=True)
class RepositoryOptions:
    """How a repository is set up.

    Attributes:
        backend: What computes the model step, one of `BACKENDS`.
        device: "cpu" or "gpu".
        precision: Of the python backend as `Predictor` takes it; the others have FP32 where it is "auto".
        engine: Of the python backend, as `Predictor` takes it.
        instances: Copies of the model step.
        num_threads: Threads of each, 0 for all processors.
        max_batch_size: Texts in a request.
        max_queue_delay: How long a request waits for others, in microseconds.
        verify: Whether the bundle's checksums are compared, now and when the server opens it.
    """

    backend: str = "python"
    device: str = "cpu"
    precision: str = AUTO
    engine: str = AUTO
    instances: int = 1
    num_threads: int = 0
    max_batch_size: int = 64
    max_queue_delay: int = 2000
    verify: bool = True

    def __post_init__(self) -> None:
        known_names = (
            ("backend", BACKENDS),
            ("device", DEVICES),
            ("precision", (AUTO, *PRECISIONS)),
            ("engine", (AUTO, *ENGINES)),
        )
        for name, known in known_names:
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} '{getattr(self, name)}' is not known: use one of {', '.join(known)}")
        ranges = (INSTANCES, THREADS_OR_ALL, TRITON_BATCH, QUEUE_DELAY)
        for name, allowed in strict_zip(("instances", "num_threads", "max_batch_size", "max_queue_delay"), ranges):
            check_number(getattr(self, name), int, allowed, name)


@dataclass(frozen=True)
class _ModelFacts:
    """What the configurations have of a model: its task, the logits' classes, its outputs, its file.

    `classes`: -1 stands for any number; None for logits without such a dimension (see `Task.num_classes`).
    """

    task: str
    classes: int | None
    outputs: tuple[str, ...]
    file: str


def build_repository(bundle_dir: Path | str, target: Path, options: RepositoryOptions) -> Interface:
    """Write tokenizer, model, postprocess and the ensemble of a bundle's task into a repository.

    Other tasks' models in the repository stay; those of this task are replaced together.

    Args:
        bundle_dir: The bundle, which is copied into the model step's version folder.
        target: The repository, made where it is missing.
        options: How it is set up.

    Returns:
        The ensemble's interface.

    Raises:
        BundleError: Where the bundle lacks what the options ask for.
    """
    bundle = read_bundle(bundle_dir, options.verify)
    info = bundle.info
    interface = interface_of(info.task, info.text_format in PAIR_FORMATS)
    file = ONNX_FILE if options.backend == "python" else _model_file(bundle, options)
    model = _ModelFacts(info.task, TASKS[info.task].num_classes(info.labels), info.outputs, file)
    _write(interface, model, target, options, lambda version: _copy_bundle(bundle, version, options))
    return interface


def build_generic(task: str, pairs: bool, target: Path, options: RepositoryOptions) -> Interface:
    """Write the four models of a task as `build_repository` does, for a bundle that is put there later.

    The bundle's files belong into the model step's version folder, beside model.py. The tokenizer step refuses a bundle
    that reads other inputs.

    Args:
        task: The task's name, as in `TASKS`.
        pairs: Whether each input is a pair of texts, where the task reads pairs.
        target: The repository, made where it is missing.
        options: How it is set up.

    Returns:
        The ensemble's interface.

    Raises:
        ConfigError: On another backend than python, which alone opens bundles.
    """
    if options.backend != "python":
        raise ConfigError(f"`backend` {options.backend} computes a bundle's own file: give `model_path`, or use python")
    kind = TASKS[task]
    interface = interface_of(task, pairs and kind.default_text_format in PAIR_FORMATS)
    outputs = tuple(f"fetch_name_{place}" for place in range(HEADS[kind.head].outputs))
    classes = None if kind.num_classes(()) is None else -1
    _write(interface, _ModelFacts(task, classes, outputs, ONNX_FILE), target, options, None)
    return interface


def _write(
    interface: Interface,
    model: _ModelFacts,
    target: Path,
    options: RepositoryOptions,
    copy_bundle: Callable[[Path], None] | None,
) -> None:
    """Replace the models of an interface; `copy_bundle` fills the model step's version folder."""
    steps: dict[str, dict[str, Any]] = {
        interface.tokenizer: _tokenizer(interface, options),
        interface.model: _model(model, interface, options),
        interface.postprocess: _postprocess(model, interface, options),
        interface.name: _ensemble(model, interface, options),
    }
    with transaction(target) as files:
        for name, config in steps.items():
            for path in (target / name).rglob("*"):
                if not path.is_dir():
                    files.remove(path)  # of an earlier build; what this one has too is replaced
            version = target / name / VERSION
            if name == interface.model and copy_bundle is not None:
                copy_bundle(files.path(version / BUNDLE_FILE).parent)
            if config.get("backend") == "python":
                files.write_text(version / "model.py", _source(_classes(interface)[name]))
            else:
                files.write_text(version / ".keep", "")  # the server wants a version folder, git and archives one file
            files.write_text(target / name / "config.pbtxt", format_message({"name": name, **config}))


def _classes(interface: Interface) -> dict[str, str]:
    return {
        interface.tokenizer: "TokenizerModel",
        interface.model: "OnnxModel",
        interface.postprocess: "PostprocessModel",
    }


def _source(name: str) -> str:
    return '"""Run by Triton; the toolkit must be installed for the Python that Triton starts."""\n\n' + (
        f"from ernie_toolkit.triton.models import {name}\n\nTritonPythonModel = {name}\n"
    )


def _bundle_place(interface: Interface, options: RepositoryOptions) -> str:
    """Where in the repository the bundle lies."""
    return f"{interface.model}/{VERSION}" + ("/bundle" if options.backend == "fastdeploy" else "")


def _opening(interface: Interface, options: RepositoryOptions) -> dict[str, str]:
    """The parameters by which a step opens the bundle."""
    return {"bundle": _bundle_place(interface, options), "verify": "true" if options.verify else "false"}


def _copy_bundle(bundle: Bundle, version: Path, options: RepositoryOptions) -> None:
    """The bundle as it is; FastDeploy computes the file that is called model.onnx, so it stands apart there."""
    target = version if options.backend != "fastdeploy" else version / "bundle"
    target.mkdir(exist_ok=True)
    for entry in bundle.info.files.values():
        shutil.copyfile(bundle.directory / entry.name, target / entry.name)
    shutil.copyfile(bundle.directory / BUNDLE_FILE, target / BUNDLE_FILE)
    if options.backend == "fastdeploy":
        shutil.copyfile(bundle.directory / _model_file(bundle, options), version / ONNX_FILE)


def _tensors(tensors: tuple[Tensor, ...]) -> list[dict[str, Any]]:
    return [{"name": item.name, "data_type": Symbol(f"TYPE_{item.type}"), "dims": item.dims} for item in tensors]


def _parameters(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": {"string_value": str(value)}} for name, value in values.items()]


def _sequences() -> tuple[Tensor, ...]:
    return tuple(Tensor(name, "INT64", (-1,)) for name in INPUTS)


def _logits(model: _ModelFacts) -> tuple[Tensor, ...]:
    tokens = (-1,) if HEADS[TASKS[model.task].head].tokens else ()
    dims = tokens if model.classes is None else (*tokens, model.classes)
    return tuple(Tensor(name, "FP32", dims) for name in model.outputs)


def _instances(count: int, device: str) -> list[dict[str, Any]]:
    return [{"count": count, "kind": Symbol(f"KIND_{device.upper()}")}]


def _tokenizer(interface: Interface, options: RepositoryOptions) -> dict[str, Any]:
    return {
        "backend": "python",
        "max_batch_size": options.max_batch_size,
        "input": _tensors(interface.texts),
        "output": _tensors(_sequences() + interface.passed),
        "instance_group": _instances(1, "cpu"),
        "parameters": _parameters({**_opening(interface, options), "pad_multiple": PAD_MULTIPLE[options.backend]}),
    }


def _most_rows(interface: Interface, options: RepositoryOptions) -> int:
    return options.max_batch_size * (WINDOWS_OF_A_TEXT if interface.windows else 1)


def _postprocess(model: _ModelFacts, interface: Interface, options: RepositoryOptions) -> dict[str, Any]:
    return {
        "backend": "python",
        "max_batch_size": _most_rows(interface, options),
        "input": _tensors(_logits(model) + interface.passed),
        "output": _tensors(interface.answers),
        "instance_group": _instances(1, "cpu"),
        "parameters": _parameters(_opening(interface, options)),
    }


def _model(model: _ModelFacts, interface: Interface, options: RepositoryOptions) -> dict[str, Any]:
    most = _most_rows(interface, options)
    inputs = _tensors(_sequences())
    config: dict[str, Any] = {
        "backend": options.backend,
        "max_batch_size": most,
        "input": [{**item, "allow_ragged_batch": True} for item in inputs] if options.backend == "python" else inputs,
        "output": _tensors(_logits(model)),
        "instance_group": _instances(options.instances, options.device),
        "dynamic_batching": {
            "preferred_batch_size": min(options.max_batch_size, most),
            "max_queue_delay_microseconds": options.max_queue_delay,
        },
    }
    if options.backend == "python":
        config["parameters"] = _parameters(
            {
                **_opening(interface, options),
                "engine": options.engine,
                "precision": options.precision,
                "num_threads": options.num_threads,
                "max_rows": options.max_batch_size,
            }
        )
        return config
    if options.backend == "onnxruntime":
        threads = {"intra_op_thread_count": options.num_threads} if options.num_threads else {}
        return {**config, "default_model_filename": model.file, "parameters": _parameters(threads)}
    shares = {"parameters": {"key": "cpu_threads", "value": str(options.num_threads)}} if options.num_threads else {}
    accelerator = {f"{options.device}_execution_accelerator": {"name": "onnxruntime", **shares}}
    return {**config, "optimization": {"execution_accelerators": accelerator}}


def _model_file(bundle: Bundle, options: RepositoryOptions) -> str:
    """The name of the file with the precision asked for; BundleError where the bundle has none."""
    role = "onnx" if options.precision in ("fp32", AUTO) else f"onnx_{options.precision}"
    return bundle.path(role).name


def _ensemble(model: _ModelFacts, interface: Interface, options: RepositoryOptions) -> dict[str, Any]:
    def same(tensors: tuple[Tensor, ...]) -> list[dict[str, str]]:
        return [{"key": item.name, "value": item.name} for item in tensors]

    steps = (
        (interface.tokenizer, interface.texts, _sequences() + interface.passed),
        (interface.model, _sequences(), _logits(model)),
        (interface.postprocess, _logits(model) + interface.passed, interface.answers),
    )
    return {
        "platform": "ensemble",
        "max_batch_size": options.max_batch_size,
        "input": _tensors(interface.texts),
        "output": _tensors(interface.answers),
        "ensemble_scheduling": {
            "step": [
                {"model_name": name, "model_version": -1, "input_map": same(taken), "output_map": same(given)}
                for name, taken, given in steps
            ]
        },
    }
