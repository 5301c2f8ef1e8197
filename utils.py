"""What the run_* and compress_* scripts share: arguments, the YAML overlay, device, notices.

Nothing here imports paddle or reads data at import time: `--help` and argument errors answer at once.
"""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, TypeVar

from ernie_toolkit.acceleration import apply_cpu_settings, import_paddle
from ernie_toolkit.data import DataSet, get_spec, load_dataset
from ernie_toolkit.data.registry import CUSTOM
from ernie_toolkit.errors import ConfigError, DeviceError
from ernie_toolkit.models import check_model_directory, is_local
from ernie_toolkit.options import RunOptions

TASK_SECTIONS = ("SequenceClassification", "TokenClassification", "QuestionAnswering")
SAMPLE_SECTION = "Sample"
STAGES = ("do_train", "do_eval", "do_predict", "do_export")
# Real rows on which an exported model is compared with Paddle's.
PARITY_ROWS = 64
Options = TypeVar("Options")


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "1", "yes", "on"):
        return True
    if text.lower() in ("false", "0", "no", "off"):
        return False
    raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false")


def add_options(parser: argparse.ArgumentParser, options_class: type) -> None:
    """Add one flag for each field of a dataclass made with `option`; none is set unless it is given."""
    group = parser.add_argument_group(options_class.__name__)
    for item in dataclasses.fields(options_class):
        flag, text = f"--{item.name}", f"{item.metadata['help']} (default: {item.default})"
        if isinstance(item.default, bool):
            group.add_argument(
                flag, type=_boolean, nargs="?", const=True, default=argparse.SUPPRESS, metavar="BOOL", help=text
            )
        else:
            kind = str if item.default is None else type(item.default)
            group.add_argument(flag, type=kind, choices=item.metadata["choices"], default=argparse.SUPPRESS, help=text)


def _overlay(section: Any, known: dict[str, Any], path: Path, where: str) -> dict[str, Any]:
    """One mapping of the YAML file, each key known and each value of its option's type."""
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: {where} is not a mapping of option names to values")
    values = {}
    for key, value in section.items():
        if key not in known:
            raise ConfigError(f"{path}: unknown key '{key}' in {where}: use one of {', '.join(sorted(known))}")
        default = known[key].default
        kind = type(default)
        if kind is float and isinstance(value, (int, str)) and not isinstance(value, bool):
            try:  # YAML 1.1 reads 3e-5 (no point) as a string
                value = float(value)
            except ValueError:
                raise ConfigError(f"{path}: {where}.{key} is '{value}': it must be a number") from None
        if default is not None and type(value) is not kind:
            raise ConfigError(f"{path}: {where}.{key} is {value!r}: it must be of type {kind.__name__}")
        choices = known[key].metadata["choices"]
        if choices and value not in choices:
            raise ConfigError(f"{path}: {where}.{key} is {value!r}: use one of {', '.join(choices)}")
        values[key] = value
    return values


def read_config(
    path: Path, task_section: str, dataset: str, options_class: type, sample: bool = False
) -> dict[str, Any]:
    """Option values that a YAML file gives for one data set.

    The file has `DefaultArgs`, a section per task with one mapping per data set, and `Sample` of the same
    form as a task section, which is laid over the others when a run trains the sample model. The whole
    file is checked, not only the part in use. Raises ConfigError that names file and key.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file: give another with --config") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: not a mapping of sections")
    known = {item.name: item for item in dataclasses.fields(options_class)}
    values = _overlay(content.pop("DefaultArgs", None), known, path, "DefaultArgs")
    sections: dict[str, dict[str, dict[str, Any]]] = {}
    for name, section in content.items():
        if name not in (*TASK_SECTIONS, SAMPLE_SECTION):
            allowed = ", ".join(("DefaultArgs", *TASK_SECTIONS, SAMPLE_SECTION))
            raise ConfigError(f"{path}: unknown key '{name}': use one of {allowed}")
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: {name} is not a mapping of data sets")
        sections[name] = {str(key): _overlay(value, known, path, f"{name}.{key}") for key, value in section.items()}
    values.update(sections.get(task_section, {}).get(dataset, {}))
    if sample:
        values.update(sections.get(SAMPLE_SECTION, {}).get(dataset, {}))
    return values


def resolve_options(
    options_class: Callable[..., Options], config: dict[str, Any], given: argparse.Namespace
) -> Options:
    """Options with the command line over the YAML file over the defaults."""
    names = {item.name for item in dataclasses.fields(options_class)}  # type: ignore[arg-type]
    command_line = {key: value for key, value in vars(given).items() if key in names}
    return options_class(**{**config, **command_line})


def accelerate_cpu(device: str | None) -> None:
    """Set what makes Paddle faster on this CPU, where it will compute there; has to come before Paddle is imported."""
    try:
        distribution("paddlepaddle-gpu")
        gpu_build = True
    except PackageNotFoundError:
        gpu_build = False
    if device == "cpu" or (device is None and not gpu_build):
        settings = apply_cpu_settings()
        say("CPU settings: " + " ".join(f"{name}={value}" for name, value in settings.items()))


def check_device(device: str | None) -> str:
    """The device to compute on: what was asked for and is there, else a GPU where there is one, else the CPU.

    Imports paddle. Raises DeviceError where a device was asked for and this PaddlePaddle has none.
    """
    import_paddle()
    import paddle

    counts = {"gpu": paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0}
    counts["xpu"] = paddle.device.xpu.device_count() if paddle.is_compiled_with_xpu() else 0
    counts["npu"] = len([name for name in paddle.device.get_available_custom_device() if name.startswith("npu")])
    if device is None:
        if counts["gpu"]:
            return "gpu"
        say("notice: no GPU found, computing on the CPU (--device cpu says so on purpose)")
        return "cpu"
    if device != "cpu" and not counts[device]:
        raise DeviceError(
            f"--device {device}: this PaddlePaddle {paddle.__version__} sees no {device}; install the build for it "
            "(README, 'GPU'), or use --device cpu"
        )
    return device


def is_main_process() -> bool:
    """Whether this process writes files and prints: the first one of a distributed launch, or the only one."""
    return os.environ.get("PADDLE_TRAINER_ID", "0") == "0"


def say(message: str) -> None:
    """Print a line from the main process."""
    if is_main_process():
        print(message, flush=True)


def warn(message: str) -> None:
    """Print a warning line to standard error from the main process."""
    if is_main_process():
        print(f"warning: {message}", file=sys.stderr, flush=True)


def print_settings(settings: dict[str, Any]) -> None:
    """Print resolved settings as one block of aligned lines."""
    width = max(len(key) for key in settings)
    say("settings:\n" + "\n".join(f"  {key:<{width}}  {json.dumps(value, ensure_ascii=False)}"
                                  for key, value in settings.items()))  # fmt: skip


def check_run(run: RunOptions, given: argparse.Namespace) -> RunOptions:
    """Settle which stages run and where the model comes from; ConfigError or ModelError on what cannot work."""
    if run.dataset != CUSTOM:
        get_spec(run.dataset)
    if not any(getattr(run, stage) for stage in STAGES):
        if any(stage in vars(given) for stage in STAGES):
            raise ConfigError("nothing to do: give one of --" + ", --".join(STAGES))
        run = dataclasses.replace(run, do_train=True, do_eval=True, do_export=True)
    if "config" not in vars(given) and not Path(run.config).exists():
        run = dataclasses.replace(run, config=str(Path(__file__).resolve().parent / run.config))
    trained = Path(run.output_dir) / run.dataset
    if not run.do_train and not run.model_name_or_path:
        run = dataclasses.replace(run, model_name_or_path=str(trained))
        if not trained.is_dir():
            raise ConfigError(f"{trained}: no trained model there: give --do_train, or --model_name_or_path")
    if run.model_name_or_path and is_local(run.model_name_or_path):
        check_model_directory(Path(run.model_name_or_path))
    return run


def load_data(run: RunOptions, given: argparse.Namespace) -> DataSet:
    """Load the splits that the stages need, and print what there is to know about them."""
    wanted = {"train": run.do_train, "dev": run.do_train or run.do_eval or run.do_export, "test": run.do_predict}
    limits = {split: getattr(run, f"max_{split}_samples") for split in wanted}
    if run.do_export and not run.do_train and not run.do_eval:
        limits["dev"] = min(limits["dev"] or PARITY_ROWS, PARITY_ROWS)
    data = load_dataset(
        run.dataset,
        data_dir=run.data_dir or None,
        data_source=run.data_source,
        splits=[split for split, needed in wanted.items() if needed],
        sample_allowed="model_name_or_path" not in vars(given) and not run.data_dir,
        limits={split: rows for split, rows in limits.items() if rows},
        **{name: getattr(run, name) or None for name in ("train_file", "dev_file", "test_file", "label_file")},
    )
    for message in data.warnings:
        warn(message)
    counts = {split: len(getattr(data, split)) for split, needed in wanted.items() if needed}
    say(f"data: {data.spec.name} from {data.source} ({data.location}), rows: {counts}")
    return data
