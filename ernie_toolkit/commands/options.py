"""What the scripts that train and compress are asked for beside their settings: model, data, places, stages."""

from dataclasses import dataclass, fields
from typing import Any

from ernie_toolkit.arguments.options import DEVICES, ScreenOptions, dataset_name, device_of, option
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import COUNT_OR_NONE

STAGES = ("do_train", "do_eval", "do_predict", "do_export")


@dataclass(frozen=True)
class SourceOptions:
    """Which model and which data a script works on, where it writes, and on what it computes."""

    model_name_or_path: str = option(
        "", "directory of a fine-tuned model (best_models/DATASET where not given)", parse=path_text
    )
    dataset: str = option("", "data set by name, or custom", parse=dataset_name)
    data_dir: str = option("", "directory with the data set's official files", parse=path_text)
    data_source: str = option(
        "auto",
        "auto: PaddleNLP's cache, its download, else the sample where neither model nor data was given; "
        "official: no sample; sample: nothing else",
        ("auto", "official", "sample"),
    )
    train_file: str = option("", "custom: labelled training rows (docs/data_en.md lists the formats)", parse=path_text)
    dev_file: str = option("", "custom: labelled dev rows", parse=path_text)
    label_file: str = option(
        "", "custom: one label a line; otherwise the labels of train_file, sorted", parse=path_text
    )
    max_train_samples: int = option(0, "use the first rows of the training set only; 0: all", allowed=COUNT_OR_NONE)
    max_dev_samples: int = option(0, "use the first rows of the dev set only; 0: all", allowed=COUNT_OR_NONE)
    output_dir: str = option("", "directory to write to (the model's own where not given)", parse=path_text)
    config: str = option("configs/default.yml", "YAML file with settings per data set", parse=path_text)
    device: str = option(
        "",
        "device to compute on (cpu, gpu, gpu:1, xpu, npu); not given: a GPU where there is one, else the CPU",
        parse=device_of(*DEVICES),
    )
    resume: bool = option(False, "go on from the last checkpoint of a run that was cut off")
    overwrite_output_dir: bool = option(False, "drop what a run that was cut off has left")


@dataclass(frozen=True)
class RunOptions(SourceOptions):
    """What a run_* script works on, and which parts of the journey it makes."""

    model_name_or_path: str = option(
        "", "model directory or published name (ernie-3.0-medium-zh where not given)", parse=path_text
    )
    output_dir: str = option(
        "./best_models", "trained models go to a directory of the data set's name in here", parse=path_text
    )
    test_file: str = option("", "custom: rows to predict", parse=path_text)
    max_test_samples: int = option(0, "use the first rows of the test set only; 0: all", allowed=COUNT_OR_NONE)
    export_model_dir: str = option("best_models/", "bundles go to NAME/export in here", parse=path_text)
    output_format: str = option(
        "toolkit",
        "do_predict: test_results.json as this toolkit writes it, or as PaddleNLP's guide does",
        ("toolkit", "guide"),
    )
    resume_from_checkpoint: str = option(
        "", "go on from this checkpoint (a directory), or from the last one in it; true: as --resume", parse=path_text
    )
    do_train: bool = option(False, "fine-tune (none of do_* given: train, evaluate and export)")
    do_eval: bool = option(False, "evaluate on the dev set")
    do_predict: bool = option(False, "predict the test set")
    do_export: bool = option(False, "export the bundle: static graph, ONNX, tokenizer")


@dataclass(frozen=True)
class SettingsOptions(ScreenOptions):
    """What becomes of the settings of a script that reads a YAML file."""

    dump_config: bool = option(False, "print the settings as a YAML file for --config, and do nothing else")


def values_of(options: SourceOptions, kind: type[SourceOptions]) -> dict[str, Any]:
    """The values of those options that a class has, by name.

    Args:
        options: The options; of this class, or of one that has more.
        kind: The class.
    """
    return {item.name: getattr(options, item.name) for item in fields(kind)}
