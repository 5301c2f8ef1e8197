"""Which engine and precision a bundle is opened with: what was asked for, what the bundle recommends, what is here."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import cast

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.bundle.info import THROUGHPUT, WORKLOADS, Recommendation
from ernie_toolkit.errors import ConfigError, DeviceError
from ernie_toolkit.formats.escapes import terminal_line
from ernie_toolkit.inference.engines.base import AUTO, DEVICES, ENGINES, PRECISIONS, EngineOptions, Runtime
from ernie_toolkit.inference.processor import check_precision, computes, processor_features

DEFAULT = "onnxruntime"


@dataclass(frozen=True)
class Choice:
    """An engine and a precision.

    Attributes:
        engine: Its name in `ENGINES`.
        precision: One of `PRECISIONS`.
        reason: Why this one, for people.
    """

    engine: str
    precision: str
    reason: str

    def __str__(self) -> str:
        # On one line, since the reason repeats what the bundle says.
        return terminal_line(f"{self.engine} {self.precision} ({self.reason})")


def engine_class(engine: str) -> type[Runtime]:
    """Return the class of an engine; its package is imported when it is opened."""
    module = importlib.import_module(f"ernie_toolkit.inference.engines.{engine}")
    return cast("type[Runtime]", getattr(module, ENGINES[engine]))


def is_installed(engine: str) -> bool:
    """Return whether an engine's package is installed; it is not imported."""
    return find_spec(engine_class(engine).package) is not None


def _check_known(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"`{name}` '{value}' is not known: use one of {', '.join(known)}")


def _check_usable(engine: str, precision: str, device: str) -> None:
    """ConfigError where an engine cannot do what was asked for, or is not installed; DeviceError on another device."""
    kind = engine_class(engine)
    if device not in kind.devices:
        raise DeviceError(
            f"engine '{engine}' computes on {', '.join(kind.devices)}, not on '{device}': use onnxruntime"
        )
    if precision not in (AUTO, *kind.precisions):
        able = [name for name in ENGINES if precision in engine_class(name).precisions]
        raise ConfigError(
            f"engine '{engine}' has no precision '{precision}', only {', '.join(kind.precisions)}: "
            f"{' or '.join(able)} has it"
        )
    if not is_installed(engine):
        raise ConfigError(f"engine '{engine}' is not installed: {kind.install}")


def choose(
    bundle: Bundle, engine: str = AUTO, precision: str = AUTO, device: str = "cpu", workload: str = THROUGHPUT
) -> Choice:
    """Return what a bundle is opened with.

    What is asked for is taken, or an error. What is left to "auto" is what the bundle recommends for the workload, if
    the engine is installed and this processor has the features of the one that it was measured on. Else it is ONNX
    Runtime, or the first of the others that is installed where ONNX Runtime is not: in the precision that is
    recommended for it where the processor computes fast in that, or FP32.

    Args:
        bundle: The opened bundle.
        engine: One of `ENGINES`, or "auto".
        precision: One of `PRECISIONS`, or "auto".
        device: "cpu" or "gpu".
        workload: "throughput", texts in batches, or "latency", requests of one text each.

    Raises:
        ConfigError: On what is not known, not installed, or cannot be computed here.
        DeviceError: Where the engine asked for does not compute on the device.
    """
    _check_known("engine", engine, (AUTO, *ENGINES))
    _check_known("precision", precision, (AUTO, *PRECISIONS))
    _check_known("device", device, DEVICES)
    _check_known("workload", workload, WORKLOADS)
    if engine != AUTO:
        _check_usable(engine, precision, device)
    if device == "cpu":
        check_precision(precision)
    if AUTO not in (engine, precision):
        return Choice(engine, precision, "as asked for")
    if device == "gpu":
        _check_usable(DEFAULT, precision, device)
        return Choice(DEFAULT, "fp32" if precision == AUTO else precision, "the engine for GPUs")
    meant = [item for item in bundle.info.recommended if item.workload in ("", workload)]
    fitting = [item for item in meant if engine in (AUTO, item.engine) and precision in (AUTO, item.precision)]
    for item in fitting:
        if not _obstacle(item):
            return Choice(item.engine, item.precision, f"recommended by the bundle, measured on {item.processor:.80}")
    return _without_recommendation(bool(meant), fitting, engine, precision)


def _without_recommendation(any_meant: bool, fitting: list[Recommendation], engine: str, precision: str) -> Choice:
    """What is left where nothing recommended can be used, of any that is meant for the workload."""
    reason = "; ".join(map(_obstacle, fitting)) or (
        "the bundle recommends no other" if any_meant else "the bundle recommends none"
    )
    if precision != AUTO:
        able = [name for name in ENGINES if precision in engine_class(name).precisions and is_installed(name)]
        if not able:
            names = [name for name in ENGINES if precision in engine_class(name).precisions]
            raise ConfigError(
                f"no installed engine has precision '{precision}': {engine_class(names[0]).install}, for {names[0]}"
            )
        return Choice(able[0], precision, reason)
    # What is missing where no engine is installed is ONNX Runtime.
    taken = next(filter(is_installed, ENGINES), DEFAULT) if engine == AUTO else engine
    usable = [
        item.precision
        for item in fitting
        if item.engine == taken and _is_known(taken, item.precision) and computes(item.precision)
    ]
    return Choice(taken, usable[0] if usable else "fp32", reason)


def _is_known(engine: str, precision: str) -> bool:
    """Whether this version of the toolkit has an engine with such a precision."""
    return engine in ENGINES and precision in engine_class(engine).precisions


def _obstacle(item: Recommendation) -> str:
    """Why a recommendation is not followed; empty where it can be."""
    named = f"{item.engine:.40} {item.precision:.40}"
    missing = [f"{name:.40}" for name in item.features if name not in processor_features()]
    if not _is_known(item.engine, item.precision):
        return f"{named} is recommended, which this version does not have"
    if missing:
        return f"{named} is recommended for processors with {', '.join(missing)}"
    if not is_installed(item.engine):
        return f"{named} is recommended and {item.engine} is not installed"
    return ""


def open_runtime(bundle: Bundle, choice: Choice, options: EngineOptions) -> Runtime:
    """Open a bundle's model as chosen.

    Args:
        bundle: The opened bundle.
        choice: Of `choose`.
        options: How it is opened.

    Raises:
        BundleError: As `Runtime.open_bundle`.
        ConfigError: The same.
        DeviceError: The same.
    """
    return engine_class(choice.engine).open_bundle(bundle, choice.precision, options)
