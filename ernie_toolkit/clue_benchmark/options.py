"""What a grid search is asked for."""

from dataclasses import dataclass

from ernie_toolkit.arguments.options import DEVICES, check_option_ranges, dataset_name, device_of, option
from ernie_toolkit.clue_benchmark.grid import chosen_datasets
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import COUNT_OR_NONE, SEED, SEQUENCE_LENGTH, THREADS_OR_ALL, Range
from ernie_toolkit.ray_cluster import LOCAL, LOG_LEVELS


@dataclass(frozen=True)
class GridOptions:
    """Which models are fine-tuned on which data sets, where, and on what."""

    models: tuple[str, ...] = option(
        ("ernie-3.0-medium-zh",), "published names or directories of models", parse=path_text
    )
    datasets: tuple[str, ...] = option(
        ("all",), "all (the ten of CLUE), or data sets by name; also msra_ner, multi_label"
    )
    config: str = option("clue/grid.yml", "YAML file of the grids", parse=path_text)
    seeds: tuple[int, ...] = option((42,), "each combination is trained once for each seed", allowed=SEED)
    output_dir: str = option(
        "clue_results", "directory of all trials; on a cluster a folder that all nodes share", parse=path_text
    )
    data_dir: str = option("", "directory with a folder of official files for each data set", parse=path_text)
    data_source: str = option(
        "official",
        "official: PaddleNLP's cache or its download, where there is no data_dir; sample: the embedded sample",
        ("official", "sample"),
    )
    max_steps: int = option(
        -1, "optimizer steps of each trial; -1: as many as its epochs give", allowed=Range(1, 10**9, also=(-1,))
    )
    max_train_samples: int = option(0, "use the first rows of the training set only; 0: all", allowed=COUNT_OR_NONE)
    max_dev_samples: int = option(0, "use the first rows of the dev set only; 0: all", allowed=COUNT_OR_NONE)
    local: bool = option(False, "one trial after another in processes of this machine, without Ray")
    ray_address: str = option(
        LOCAL, "Ray's cluster: auto, or host:port; local: Ray is started on this machine for this run"
    )
    cpus_per_trial: int = option(
        0, "processors, and so threads, of each trial; 0: one with Ray, all with local", allowed=THREADS_OR_ALL
    )
    gpus_per_trial: float = option(0.0, "GPUs of each trial, also a share: 0.5", allowed=Range(0, 64))
    device: str = option(
        "",
        "device to compute on (not given: a GPU where gpus_per_trial is over 0, else the CPU)",
        parse=device_of(*DEVICES),
    )
    early_stopping: str = option(
        "none",
        "asha: trials whose dev metric is in the worse half at an evaluation are stopped (Li et al., 2018)",
        ("none", "asha"),
    )
    log_level: str = option("error", "what Ray prints of itself; from info on, what trials print too", LOG_LEVELS)

    @property
    def computes_on(self) -> str:
        """The device of each trial, as `use_device` takes it."""
        return self.device or ("gpu" if self.gpus_per_trial > 0 else "cpu")


def check_grid_options(options: GridOptions) -> GridOptions:
    """The options with each data set once, in the order of published tables.

    Args:
        options: As they were given.

    Raises:
        ConfigError: On options that cannot be used, alone or together.
    """
    check_option_ranges(options)
    if options.local and options.ray_address != LOCAL:
        raise ConfigError("`local` runs without Ray: leave `ray_address` out, or `local`")
    if options.local and options.early_stopping != "none":
        raise ConfigError("`early_stopping` compares trials that run at one time: leave it out, or `local`")
    if options.data_source == "sample" and options.data_dir:
        raise ConfigError("`data_source` sample takes no `data_dir`: leave one of them out")
    if options.device == "cpu" and options.gpus_per_trial > 0:
        raise ConfigError("`device` cpu, and `gpus_per_trial` over 0: leave one of them out")
    if not options.models or not options.seeds:
        raise ConfigError(f"`{'seeds' if options.models else 'models'}` is empty: give one at least")
    values = {**vars(options), "datasets": chosen_datasets(options.datasets)}
    values["models"], values["seeds"] = tuple(dict.fromkeys(options.models)), tuple(dict.fromkeys(options.seeds))
    return GridOptions(**values)


@dataclass(frozen=True)
class TableOptions:
    """How results are shown, and what is submitted."""

    format: str = option("markdown", "what is printed; csv: a line for each score", ("markdown", "csv", "json"))
    submission: str = option("", "write the zip for CLUE's server here", parse=path_text)
    submitted_model: str = option("", "the model whose answers go into it, where there are several")
    partial: bool = option(False, "write the zip although files are missing")


@dataclass(frozen=True)
class PictureOptions:
    """What is drawn, and what latency is measured on."""

    bundles: tuple[str, ...] = option(
        (), "further models: directories with a compress_report.json, or bundles", parse=path_text, empty=True
    )
    quality: str = option(
        "",
        "avg, or a data set by name (not given: avg; with bundles, the data set that they are of)",
        parse=dataset_name,
    )
    data_dir: str = option("", "directory with the official files of IFLYTEK, for the texts", parse=path_text)
    data_source: str = option(
        "official",
        "official: IFLYTEK in PaddleNLP's cache or download, where there is no data_dir; sample: the embedded sample",
        ("official", "sample"),
    )
    max_seq_length: int = option(128, "tokens of each row", allowed=SEQUENCE_LENGTH)
    output_file: str = option(
        "",
        "PNG to draw; what was measured is written beside it as JSON (quality_latency.png in the results)",
        parse=path_text,
    )
