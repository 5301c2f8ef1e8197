"""Width- and depth-adaptive training of a trained multi-label model, and its results laid out as the guide lists them.

`prune/0.6666666666666666/` holds a pruned model (config.json, model_state.pdparams, tokenizer files), its bundle
(bundle.json, model.onnx, ...) and float32.* in one directory: it is trained on, exported and deployed by that path.
"""

import dataclasses
import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from ernie_toolkit.bundle import EXPORT_DIRECTORY, read_bundle
from ernie_toolkit.compression.pipeline import compress_session
from ernie_toolkit.compression.pruning.prune import size_name
from ernie_toolkit.compression.report.files import write_report
from ernie_toolkit.compression.report.model import Report
from ernie_toolkit.compression.stages import FULL
from ernie_toolkit.compression.state import Request
from ernie_toolkit.console import say
from ernie_toolkit.data import DataSet
from ernie_toolkit.files import remove_directory, replaced_directory
from ernie_toolkit.models.sizes import Shares
from ernie_toolkit.multi_label.exporting import add_legacy, has_legacy
from ernie_toolkit.multi_label.trained import TrainedModel
from ernie_toolkit.session import Session

DEPTH = "_depth_mult_"


def guide_name(width: Fraction, depth: Fraction = Fraction(1)) -> str:
    """The name of a size's directory, as the guide has it for widths: "0.6666666666666666", "0.75_depth_mult_0.5".

    Args:
        width: The share of heads and neurons that is left.
        depth: The share of layers that is left.
    """
    return repr(float(width)) + (f"{DEPTH}{float(depth)!r}" if depth != 1 else "")


def _lay_out(source: Path, target: Path) -> None:
    """Copy a model and its bundle, which lies in `export/` there, into one directory."""
    with replaced_directory(target) as staging:
        shutil.copytree(source, staging, ignore=shutil.ignore_patterns(EXPORT_DIRECTORY), dirs_exist_ok=True)
        shutil.copytree(source / EXPORT_DIRECTORY, staging, dirs_exist_ok=True)


def _drop_laid_out(report: Report, request: Request) -> None:
    """Delete the directories that a report's models lay in before `_lay_out`, of a run that was cut off too."""
    known = _model_directories(report)
    for shares in request.options.sizes:
        for path in sorted(request.directory.glob(f"{size_name(shares)}*")):
            if path.name not in known and _suffix(path.name, size_name(shares)) is not None:
                remove_directory(path)


def _model_directories(report: Report) -> set[str]:
    """Names of the directories that a report's compressed models lie in."""
    return {item.file.partition("/")[0] for item in report.candidates if item.file}


def _suffix(directory: str, name: str) -> str | None:
    """What follows a size's name in that of a directory, such as "_qat"; None where it is another size's."""
    rest = directory.removeprefix(name)
    ours = directory.startswith(name) and rest[:1] in ("", "_") and not rest.startswith(DEPTH)
    return rest if ours else None


def _new_names(report: Report, sizes: Sequence[Shares]) -> dict[str, str]:
    """Directories of pruned models in a report to the guide's names; what follows the size (`_qat`) stays."""
    found = sorted(_model_directories(report))
    names = {}
    for shares in sizes:
        for directory in found:
            rest = _suffix(directory, size_name(shares))
            if rest is not None:
                names[directory] = guide_name(shares.width, shares.depth) + rest
    return names


def _renamed(report: Report, names: dict[str, str]) -> Report:
    """A report whose files are where `_lay_out` has put them; `names`: old directory to new one."""
    candidates = []
    for item in report.candidates:
        directory, _, rest = item.file.partition("/")
        if directory in names:
            item = dataclasses.replace(item, file=f"{names[directory]}/{rest.removeprefix(EXPORT_DIRECTORY + '/')}")
        candidates.append(item)
    return dataclasses.replace(report, candidates=tuple(candidates))


def prune_trained(trained: TrainedModel, data: DataSet, request: Request, device: str = "cpu") -> Report:
    """Prune a model to every size of the request's options, which are trained in one run.

    With the request's `resume`, a run that has ended gives its report, and what it lacks of the guide's files is
    written.

    Args:
        trained: The model, which is used up.
        data: Its train and dev rows.
        request: Options, directory, and whether a run that was cut off is resumed.
        device: What trains ("cpu", "gpu", ...).

    Returns:
        The report, with the files where the guide has them.

    Raises:
        ConfigError: As `compress_session`.
        ModelError: The same, and where the files of the old format cannot be written.
        DataError: As `compress_session`.
    """
    report = compress_session(Session(trained.loaded, data, trained.task, device), request, say)
    names = _new_names(report, request.options.sizes)
    for old, new in names.items():
        source = request.directory / old
        if not has_legacy(
            source / EXPORT_DIRECTORY
        ):  # first, so that what an earlier run has left is replaced by all of it
            add_legacy(source, read_bundle(source / EXPORT_DIRECTORY))
        _lay_out(source, request.directory / new)
    if names:
        # The report is right before and after; only then do the directories go that it was of.
        report = _renamed(report, names)
        write_report(report, request.directory)
    _drop_laid_out(report, request)
    for name in sorted(_model_directories(report) - {size_name(FULL)}):
        directory = request.directory / name
        if not has_legacy(directory):
            add_legacy(directory, read_bundle(directory))
    return report
