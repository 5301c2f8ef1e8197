"""The reference pages: every option of the scripts, and every public name of the library, out of the code itself."""

import dataclasses
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import ernie_toolkit
from ernie_toolkit.clue_benchmark.options import GridOptions, PictureOptions, TableOptions
from ernie_toolkit.commands.config import CONFIG_OPTIONS, RUN_NAMES
from ernie_toolkit.commands.distillation import TeacherOptions
from ernie_toolkit.commands.options import RunOptions, SettingsOptions, SourceOptions
from ernie_toolkit.compression.distillation.options import DistillationOptions
from ernie_toolkit.compression.options import CompressionOptions
from ernie_toolkit.console import with_flags
from ernie_toolkit.data.file_options import FileOptions
from ernie_toolkit.formats.ranges import Range
from ernie_toolkit.multi_label.options import ExportOptions, FineTuningOptions, PredictOptions, PruneOptions
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.training.options import TrainingOptions

OPTIONS_PAGE, API_PAGE = "docs/options.md", "docs/api.md"
HEADING = "## Reference\n\n"
"""What stands above it on a page is written by hand."""

# Sections of the page, each with the scripts that have its options.
_SECTIONS: Mapping[str, tuple[str, Sequence[type]]] = {
    "Model, data and places": ("`run_*.py`, and but for the stages `compress_*.py` and `distill.py`", (RunOptions,)),
    "Your own files": ("`run_*.py`, `compress_*.py`, `distill.py`, with `--dataset custom`", (FileOptions,)),
    "Training": ("`run_*.py`, `compress_*.py`, `distill.py`, `multi_label/train.py`, `prune.py`", (TrainingOptions,)),
    "Single tasks": (
        "the scripts of the task",
        tuple(task.options_class for task in TASKS.values() if task.options_class is not None),
    ),
    "Compression": ("`compress_*.py`, `multi_label/prune.py`", (CompressionOptions,)),
    "Distillation": ("`distill.py`", (TeacherOptions, DistillationOptions)),
    "Settings": ("`run_*.py`, `compress_*.py`; `--verbose` of all that train", (SettingsOptions,)),
    "Multi-label": (
        "`multi_label/train.py`, `predict.py`, `export_model.py`, `prune.py`",
        (FineTuningOptions, PredictOptions, ExportOptions, PruneOptions),
    ),
    "CLUE benchmark": ("`clue/grid_search.py`, `table.py`, `picture.py`", (GridOptions, TableOptions, PictureOptions)),
}
_IN_THE_FILE = RUN_NAMES | {
    item.name for kind in CONFIG_OPTIONS if kind is not RunOptions for item in dataclasses.fields(kind)
}


def options_reference() -> str:
    """Every option of the scripts in Markdown: a section a concern, a line an option."""
    parts = []
    for title, (scripts, classes) in _SECTIONS.items():
        fields = {item.name: (item, kind) for kind in classes for item in dataclasses.fields(kind)}
        rows = [_row(item, kind) for item, kind in fields.values()]
        head = ["| option | default | values | meaning | YAML |", "| --- | --- | --- | --- | --- |"]
        parts.append("\n".join([f"### {title}", "", f"Scripts: {scripts}.", "", *head, *rows]))
    return "\n\n".join(parts) + "\n"


def _row(item: "dataclasses.Field[Any]", kind: type) -> str:
    default = " ".join(map(str, item.default)) if isinstance(item.default, tuple) else str(item.default)
    if isinstance(item.default, bool):
        default, values = default.lower(), "true, false"
    elif item.metadata["choices"]:
        values = ", ".join(item.metadata["choices"])
    else:
        values = _numbers(item.metadata["allowed"])
    # A flag of the guides' spelling may be another kind of option in a script that reads no YAML file.
    in_the_file = item.name in _IN_THE_FILE and (kind in CONFIG_OPTIONS or issubclass(kind, SourceOptions))
    cells = (f"`--{item.name}`", f"`{default}`" if default else "", values, with_flags(item.metadata["help"]))
    return f"| {' | '.join(_cell(cell) for cell in cells)} | {'yes' if in_the_file else ''} |"


def _numbers(allowed: Range | None) -> str:
    if allowed is None:
        return ""
    low = f"over {allowed.low:g}" if allowed.above else f"from {allowed.low:g}"
    high = "" if allowed.high > 1e6 else f"{' below' if allowed.below else ' to'} {allowed.high:g}"
    return low + high + "".join(f", or {value:g}" for value in allowed.also)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def api_reference() -> str:
    """Every public name in Markdown, with its signature and its docstring; of classes the public methods too."""
    parts = []
    for name in ernie_toolkit.__all__:
        value = getattr(ernie_toolkit, name)
        parts.append(_entry(f"### {name}", name, value))
        if inspect.isclass(value) and not issubclass(value, Exception):
            for method, function in vars(value).items():
                called = function.fget if isinstance(function, property) else function
                if not method.startswith("_") and inspect.isfunction(called):
                    parts.append(_entry(f"#### {name}.{method}", f"{name}.{method}", function))
    return "\n\n".join(parts) + "\n"


def _entry(heading: str, name: str, value: Any) -> str:
    text = inspect.getdoc(value) or ""
    if isinstance(value, property):
        return f"{heading}\n\n```text\n{text}\n```"
    signature = "" if inspect.isclass(value) and issubclass(value, Exception) else _signature(value)
    return f"{heading}\n\n```python\n{name}{signature}\n```\n\n```text\n{text}\n```"


def _signature(value: Any) -> str:
    """The parameters with their defaults, a line each where they are long; annotations stand in the source."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except ValueError:
        return ""
    shown = [
        # A function shows its address, which is another each time.
        re.sub(r"<function (\w+) at 0x\w+>", r"\1", str(item.replace(annotation=inspect.Parameter.empty)))
        for item in parameters
        if item.name != "self"
    ]
    if any(item.kind is inspect.Parameter.KEYWORD_ONLY for item in parameters):
        first = next(index for index, item in enumerate(shown) if _keyword(value, item))
        shown.insert(first, "*")
    line = f"({', '.join(shown)})"
    return line if len(line) < 100 else "(\n" + "".join(f"    {item},\n" for item in shown) + ")"


def _keyword(value: Any, shown: str) -> bool:
    name = shown.partition("=")[0]
    found = inspect.signature(value).parameters.get(name)
    return found is not None and found.kind is inspect.Parameter.KEYWORD_ONLY
