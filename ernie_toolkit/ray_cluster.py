"""Ray: whether it is installed, and a connection to a cluster or to processes of this machine alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from ernie_toolkit.errors import ConfigError

INSTALL = "pip install 'ernie_toolkit[distributed]' (or pip install -r requirements-test.txt -c constraints.txt)"
LOCAL, AUTO = "local", "auto"
_PROBE_SECONDS = 10.0
LOG_LEVELS = ("error", "warning", "info", "debug")
# Ray's usage statistics and the notices of its versions to come are of no use to who runs a script.
# What happens to workers and nodes is said by who lost them.
_QUIET = {
    "RAY_DEDUP_LOGS_SKIP_REGEX": "A worker died or was killed|has been marked dead|Raylet is terminated",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


def check_ray(instead: str) -> None:
    """Check that Ray is installed.

    Args:
        instead: What can be done without it, for the message.

    Raises:
        ConfigError: Where it is not.
    """
    if find_spec("ray") is None:
        raise ConfigError(f"ray is not installed: {INSTALL}, or {instead}")


def check_address(address: str) -> None:
    """Check that something answers at a cluster's address; Ray itself would wait for minutes, and is not imported.

    Args:
        address: "local" and "auto" are not looked at, else HOST:PORT.

    Raises:
        ConfigError: Where it is no address, or nothing answers.
    """
    if address in (LOCAL, AUTO):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"`ray_address` {address} is neither auto nor HOST:PORT: give one of them")
    try:
        socket.create_connection((host, int(port)), _PROBE_SECONDS).close()
    except OSError as error:
        raise ConfigError(
            f"`ray_address` {address}: nothing answers there ({error}): start a cluster (ray start), or leave it out"
        ) from None


@contextmanager
def ray_cluster(address: str = LOCAL, log_level: str = "error", **resources: float) -> Iterator[Any]:
    """Connect to Ray, give its module, and disconnect at the end; nothing is uploaded to the workers.

    Every node needs the toolkit installed, and files that are read or written are on a folder that all of them share.

    Args:
        address: "local" starts Ray on this machine; "auto" or "host:port" is a cluster that runs.
        log_level: One of `LOG_LEVELS`; what workers print is shown from "info" on.
        **resources: With "local", what this machine is taken to have (`num_cpus`, `num_gpus`).

    Raises:
        ConfigError: Where there is no cluster at the address.
    """
    check_address(address)
    for name, value in _QUIET.items() if log_level == LOG_LEVELS[0] else ():
        os.environ.setdefault(name, value)  # read when Ray is imported
    import ray

    given = {"num_cpus": resources.get("num_cpus"), "num_gpus": resources.get("num_gpus")} if address == LOCAL else {}
    try:
        ray.init(
            address,
            include_dashboard=False if address == LOCAL else None,
            log_to_driver=log_level in ("info", "debug"),
            logging_level=log_level.upper(),
            **given,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"no Ray cluster at {address} ({reason}): start one first, or give another `ray_address`"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def check_share(ray: Any, cpus: float, gpus: float) -> None:
    """Check that a node of the cluster has what one task needs: else it would wait for ever.

    Args:
        ray: Ray's module, connected.
        cpus: Processors of one task.
        gpus: GPUs of one task.

    Raises:
        ConfigError: Where none has.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
        has = "; ".join(f"{node.get('CPU', 0):g} processors, {node.get('GPU', 0):g} GPUs" for node in nodes[:8])
        raise ConfigError(
            f"no node has {cpus:g} processors and {gpus:g} GPUs for one task (nodes: {has}): ask for less"
        )


def cluster_line(ray: Any) -> str:
    """What a cluster has, for people: nodes, processors, GPUs."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    found = ray.cluster_resources()
    count = len(nodes)
    return (
        f"Ray {ray.__version__}: {count} node{'s' * (count != 1)}, {found.get('CPU', 0):g} processors, "
        f"{found.get('GPU', 0):g} GPUs"
    )
