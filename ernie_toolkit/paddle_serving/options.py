"""config.yml of the pipeline service: Paddle Serving's own settings, and the model's among those of its operator."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ernie_toolkit.arguments.settings import check_whole_texts
from ernie_toolkit.compat import strict_zip
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.parsing import read_yaml
from ernie_toolkit.files.paths import path_problem
from ernie_toolkit.formats.ranges import BATCH_SIZE, COUNT, SHARE, THREADS, Range, check_number
from ernie_toolkit.inference.engines.base import AUTO, ENGINES, PRECISIONS

REQUIREMENTS = "multi_label/deploy/paddle_serving/requirements.txt"
OPERATOR = "seq_cls"  # the service's name too, and part of the HTTP path
PORTS = ("rpc_port", "http_port")
UNPRIVILEGED_PORT = Range(1024, 65535)


@dataclass(frozen=True)
class ServiceOptions:
    """How the service is set up.

    Attributes:
        pipeline: What Paddle Serving reads.
        model_path: The bundle.
        precision: "fp32" or "int8".
        num_threads: Threads of one batch; several are computed at once where the operator's `concurrency` says so.
        max_texts: Texts of a request.
        prob_limit: One threshold in place of the bundle's own; None: the bundle's own.
        verify: Whether the bundle's checksums are compared.

    Raises:
        ConfigError: On a value out of its range.
    """

    pipeline: dict[str, Any]
    model_path: str
    precision: str = AUTO
    engine: str = AUTO
    num_threads: int = 1
    max_texts: int = 128
    prob_limit: float | None = None
    verify: bool = True

    def __post_init__(self) -> None:
        for name, known in (("precision", (AUTO, *PRECISIONS)), ("engine", (AUTO, *ENGINES))):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"op.{OPERATOR}.{name} is {getattr(self, name)!r}: it must be a text")
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"op.{OPERATOR}.{name} is '{getattr(self, name):.40}', which is not known: use one of "
                    f"{', '.join(known)}"
                )
        if not isinstance(self.verify, bool):
            raise ConfigError(f"op.{OPERATOR}.verify is {self.verify!r:.40}: it must be true or false")
        for name, allowed in (("num_threads", THREADS), ("max_texts", COUNT)):
            check_number(getattr(self, name), int, allowed, f"op.{OPERATOR}.{name}")
        if self.prob_limit is not None:
            check_number(self.prob_limit, float, SHARE, f"op.{OPERATOR}.prob_limit")
        if problem := path_problem(self.model_path):
            raise ConfigError(f"op.{OPERATOR}.model_path is {problem}: give the directory of a bundle")

    @property
    def concurrency(self) -> int:
        """Batches that are computed at once."""
        return int(self.pipeline["op"][OPERATOR].get("concurrency", 1))


def read_config(
    path: Path, model_path: str | None = None, rpc_port: int | None = None, http_port: int | None = None
) -> ServiceOptions:
    """Read a config.yml; what is given beside it comes first.

    Args:
        path: The file; paths in it are relative to its directory.
        model_path: The bundle; None: as the file says.
        rpc_port: None: as the file says.
        http_port: None: as the file says.

    Raises:
        ConfigError: On what cannot be used, with the file's name.
    """
    config = read_yaml(path, ConfigError, "give another with `config`")
    check_whole_texts(config, path)
    dag = _mapping(_mapping(config, path, "the file").setdefault("dag", {}), path, "dag")
    operator = _mapping(_mapping(config.get("op"), path, "op").get(OPERATOR), path, f"op.{OPERATOR}")
    # Threads share one session; what a process of Paddle Serving's own forks off would have none.
    if (
        dag.setdefault("is_thread_op", True) is not True
        or config.setdefault("build_dag_each_worker", False) is not False
    ):
        raise ConfigError(
            f"{path}: dag.is_thread_op must be true and build_dag_each_worker false: the operator has threads"
        )
    if _mapping(operator.setdefault("local_service_conf", {}), path, "local_service_conf").get("model_config"):
        raise ConfigError(f"{path}: op.{OPERATOR} computes a bundle: give model_path in place of model_config")
    _mapping(dag.setdefault("tracer", {}), path, "dag.tracer").setdefault("interval_s", -1)
    counts = ((config, "worker_num", THREADS), (operator, "concurrency", THREADS), (operator, "batch_size", BATCH_SIZE))
    for settings, name, allowed in counts:
        if name in settings:
            check_number(settings[name], int, allowed, f"{path}: {name}")
    for name, given in strict_zip(PORTS, (rpc_port, http_port)):
        config[name] = config.get(name) if given is None else given
        check_number(config[name], int, UNPRIVILEGED_PORT, f"{path}: {name}")
    own = {
        name: operator.pop(name)
        for name in ("precision", "engine", "num_threads", "max_texts", "prob_limit", "verify")
        if name in operator
    }
    found = operator.pop("model_path", None)
    if model_path is None and not isinstance(found, str):
        raise ConfigError(f"{path}: op.{OPERATOR} has no model_path: give the directory of a bundle")
    return ServiceOptions(config, model_path or str(path.parent / str(found)), **own)


def _mapping(value: Any, path: Path, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {name} is {str(value)[:40]!r}: it must be a mapping")
    return value


def check_port(port: int, name: str) -> None:
    """Check that a port can be listened on: Paddle Serving itself would not say so.

    Args:
        port: The port.
        name: What it is called in messages.

    Raises:
        ConfigError: Where it cannot.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise ConfigError(f"{name} {port}: {error.strerror or error}: choose another") from None
