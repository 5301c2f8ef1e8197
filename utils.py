"""What the run_* and compress_* scripts share: arguments, the device, errors, and the lines that they print.

Arguments come from the command line, over the YAML file, over the built-in defaults. Nothing here imports Paddle or
reads data at import time: `--help` and mistakes in arguments answer at once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ernie_toolkit.commands.fine_tuning import RunArguments, run_arguments
from ernie_toolkit.commands.reports import (
    report_bundle,
    report_compression,
    report_data,
    report_distillation,
    report_model,
    report_model_to_compress,
    report_predictions,
    report_sample,
)
from ernie_toolkit.commands.setup import set_up_device
from ernie_toolkit.console import exit_on_toolkit_error, is_main_process, say
from ernie_toolkit.training.devices import end_distributed_run
from ernie_toolkit.training.records import METRICS_FILE, print_metrics

if TYPE_CHECKING:
    from ernie_toolkit.commands.compression import CompressArguments
    from ernie_toolkit.commands.distillation import DistillArguments

__all__ = [
    "METRICS_FILE",
    "RunArguments",
    "compress_arguments",
    "distill_arguments",
    "is_main_process",
    "one_line_errors",
    "print_metrics",
    "report_bundle",
    "report_compression",
    "report_data",
    "report_distillation",
    "report_model",
    "report_model_to_compress",
    "report_predictions",
    "report_sample",
    "run_arguments",
    "say",
    "set_up_device",
]


@contextmanager
def one_line_errors(script: str) -> Iterator[None]:
    """Print what the user can mend in one line and exit with code 2; end the processes of a distributed run.

    script: its file.
    """
    with exit_on_toolkit_error(Path(script).name):
        yield
    end_distributed_run()


def compress_arguments(task: str, dataset: str, description: str | None, argv: Sequence[str]) -> "CompressArguments":
    """Parse and check the arguments of a compress_* script (see `commands.compression.compress_arguments`)."""
    from ernie_toolkit.commands import compression  # which run_* scripts need not load

    return compression.compress_arguments(task, dataset, description, argv)


def distill_arguments(description: str | None, argv: Sequence[str]) -> "DistillArguments":
    """Parse and check the arguments of distill.py (see `commands.distillation.distill_arguments`)."""
    from ernie_toolkit.commands import distillation  # which run_* scripts need not load

    return distillation.distill_arguments(description, argv)
