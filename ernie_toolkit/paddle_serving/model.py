"""The model of the pipeline service."""

from __future__ import annotations

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.bundle.info import LATENCY
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.inference.console import examples_of
from ernie_toolkit.paddle_serving.options import ServiceOptions
from ernie_toolkit.tasks import MultiLabelClassification


def open_predictor(options: ServiceOptions, max_seq_length: int | None = None) -> Predictor:
    """The bundle's predictor, which has answered once, so that the first request finds the session's buffers.

    Args:
        options: The bundle, and how it is computed.
        max_seq_length: Tokens of the longest row; None: the bundle's own.

    Raises:
        BundleError: As `read_bundle`.
        ConfigError: Where the bundle is of another task.
    """
    info = read_bundle(options.model_path, options.verify).info
    if info.task != MultiLabelClassification.name:
        raise ConfigError(f"{options.model_path} is a bundle for the task '{info.task}': give a multi-label one")
    predictor = Predictor(
        options.model_path,
        num_threads=options.num_threads,
        precision=options.precision,
        max_seq_length=max_seq_length,
        threshold=options.prob_limit,
        verify=options.verify,
        engine=options.engine,
        callers=options.concurrency,
        workload=LATENCY,
    )
    predictor.predict(examples_of(info))
    return predictor
