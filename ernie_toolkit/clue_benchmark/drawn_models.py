"""The models of the picture: their quality, size and bundle, from a grid search and from compression."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from ernie_toolkit.bundle import BUNDLE_FILE, EXPORT_DIRECTORY, Bundle, read_bundle
from ernie_toolkit.clue_benchmark.grid import CLUE_DATASETS, task_of
from ernie_toolkit.clue_benchmark.selection import read_best
from ernie_toolkit.clue_benchmark.table import Row, shown_metrics
from ernie_toolkit.clue_benchmark.trials import BEST
from ernie_toolkit.compression.report.model import REPORT_FILE, read_report
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.inference.engines.base import ENGINES
from ernie_toolkit.tasks import TASKS

AVERAGE = "avg"
# The task whose head reads one vector of a sequence: its bundles compute an encoder and next to nothing more.
_HEAD = "sequence"
_FIRST = "iflytek"
_ROLES = {
    "onnx_int8": ("onnxruntime", "int8"),
    "onnx_fp16": ("onnxruntime", "fp16"),
    "openvino_int8": ("openvino", "int8"),
}


@dataclass(frozen=True)
class DrawnModel:
    """A model of the picture.

    Attributes:
        name: As the picture has it.
        quality: A share from 0 to 1.
        bundle: The directory of its bundle.
        forms: Engines with the precision that each computes in.
        parameters: The number of its weights; None: not known.
        compressed: Whether it was compressed, or is another bundle than the grid search's.
    """

    name: str
    quality: float
    bundle: Path
    forms: tuple[tuple[str, str], ...]
    parameters: int | None
    compressed: bool = False


def quality_sets(rows: Sequence[Row], quality: str) -> tuple[str, ...]:
    """The data sets whose scores' mean is drawn: one, or those of CLUE that every model has.

    Args:
        rows: The models' scores.
        quality: "avg", or a data set's name.

    Raises:
        ConfigError: Where no model has the data set, or the models have none in common.
    """
    if quality != AVERAGE:
        if not any(quality in row.scores for row in rows):
            raise ConfigError(
                f"`quality`: no model has a score on '{quality}': use {AVERAGE}, or a data set of the table"
            )
        return (quality,)
    common = tuple(name for name in CLUE_DATASETS if all(name in row.scores for row in rows))
    if not common:
        raise ConfigError("the models have no data set of CLUE in common: give `quality`, a data set's name")
    return common


def searched_models(results: Path, rows: Sequence[Row], sets: Sequence[str]) -> tuple[list[DrawnModel], list[str]]:
    """The models of a grid search, each with its bundle of IFLYTEK or of the first data set with the same head.

    Args:
        results: The output directory of the grid search.
        rows: The models' scores.
        sets: The data sets whose scores' mean is drawn.

    Returns:
        The models, and a line for each that is left out or has another data set's bundle.
    """
    found, said = [], []
    for row in rows:
        if any(name not in row.scores for name in sets):
            said.append(f"{row.model} is left out of the picture: no score on {', '.join(sets)}")
            continue
        named = [name for name in (_FIRST, *CLUE_DATASETS) if name in row.scores and TASKS[task_of(name)].head == _HEAD]
        exported = [name for name in named if read_best(results / row.model / name)]
        if not exported:
            said.append(f"{row.model} is left out of the picture: no bundle of a classification set")
            continue
        if exported[0] != _FIRST:
            said.append(f"{row.model}: latency is of its bundle of {exported[0]}: it has none of {_FIRST}")
        bundle = results / row.model / exported[0] / BEST / EXPORT_DIRECTORY
        parameters = row.scores[exported[0]].group.best.record.get("parameters")
        quality = fmean(row.scores[name].value for name in sets)
        forms = tuple((engine, "fp32") for engine in ENGINES)
        found.append(DrawnModel(row.model, quality, bundle, forms, parameters))
    return found, said


def further_models(directory: Path) -> tuple[str, list[DrawnModel]]:
    """The models of a compression's report, or the forms of a bundle, and the data set that they are of.

    Args:
        directory: Has `compress_report.json`, or is a bundle, or has one in `export/`.

    Raises:
        ConfigError: Where it is none of these, or of a task that does not classify.
        ModelError: Where the report cannot be read.
        BundleError: Where the bundle cannot be read.
    """
    if (directory / REPORT_FILE).is_file():
        dataset, models = _reported(directory)
    else:
        places = [place for place in (directory, directory / EXPORT_DIRECTORY) if (place / BUNDLE_FILE).is_file()]
        if not places:
            raise ConfigError(f"{directory}: neither a bundle nor {REPORT_FILE} in it: give another of `bundles`")
        bundle = read_bundle(places[0])
        dataset, models = bundle.info.dataset, _forms(bundle, directory)
    for model in models[:1]:
        task = TASKS.get(read_bundle(model.bundle).info.task)
        if task is None or task.head != _HEAD:
            raise ConfigError(f"{directory}: of a task that does not classify sequences: leave it out of `bundles`")
    return dataset, models


def _reported(directory: Path) -> tuple[str, list[DrawnModel]]:
    report = read_report(directory / REPORT_FILE)
    models = []
    for item in (report.baseline, *report.candidates):
        if not (item.kept and item.file):
            continue
        place = (directory / item.file).parent
        if not (place / BUNDLE_FILE).is_file():
            raise ModelError(f"{place}: no bundle there, which {REPORT_FILE} names: compress the model again")
        name = f"{_own_name(directory)} {item.name}"
        metric = _metric(report.dataset, report.metric)
        quality = item.metrics.get(metric, item.metrics[report.metric])
        form = (item.engine, item.precision)
        models.append(DrawnModel(name, quality, place, (form,), item.parameters, compressed=True))
    return report.dataset, models


def _own_name(directory: Path) -> str:
    resolved = directory.resolve()
    return resolved.parent.name if resolved.name == EXPORT_DIRECTORY else resolved.name


def _metric(dataset: str, otherwise: str) -> str:
    return shown_metrics(dataset)[0] if dataset in CLUE_DATASETS else otherwise


def _forms(bundle: Bundle, directory: Path) -> list[DrawnModel]:
    info, name = bundle.info, _own_name(directory)
    metric = _metric(info.dataset, TASKS[info.task].metrics[0])
    described = {"": info.metrics, **{role: item.get("metrics", {}) for role, item in info.compression.items()}}
    models = []
    for role, metrics in described.items():
        if metric not in metrics:
            raise ConfigError(f"{bundle.directory}: no {metric} in its record: leave it out of `bundles`")
        forms = (_ROLES[role],) if role in _ROLES else tuple((engine, "fp32") for engine in ENGINES)
        label = f"{name} {forms[0][1].upper()}" if role else name
        models.append(DrawnModel(label, metrics[metric], bundle.directory, forms, _counted(bundle), compressed=True))
    return models


def _counted(bundle: Bundle) -> int:
    """The weights of a bundle's FP32 graph: the floats of its initializers."""
    import onnx

    graph = onnx.load(str(bundle.path("onnx")), load_external_data=False).graph
    sizes = []
    for item in graph.initializer:
        if item.data_type == onnx.TensorProto.FLOAT and item.dims:
            size = 1
            for dim in item.dims:
                size *= dim
            sizes.append(size)
    return sum(sizes)
