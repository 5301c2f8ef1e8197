"""A corpus on the machines of a Ray cluster: the same files as on one machine, though a machine is lost."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from corpora import FORMS, command, files_of, pairs, predict, run, write_rows

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.corpus import cluster as actors
from ernie_toolkit.corpus.journal import JOURNAL
from ernie_toolkit.corpus.worker import WorkerSettings
from ernie_toolkit.errors import ToolkitError

NODE = {"num_cpus": 1, "object_store_memory": 150 << 20}


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two machines, as far as Ray knows: each is a set of processes here."""
    from ray.cluster_utils import Cluster

    machines = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    machines.add_node(**NODE)
    try:
        yield machines
    finally:
        machines.shutdown()


def sources(directory: Path, count: int) -> list[Path]:
    """A file of each form, the first with a bad row."""
    paths = [write_rows(directory / f"{form}s.{form}", pairs(count)) for form in FORMS]
    with paths[0].open("a", encoding="utf-8") as stream:
        stream.write("{bad\n")
    return paths


@pytest.mark.slow
def test_a_cluster_gives_the_files_of_one_machine(bundle: Bundle, cluster: Any, tmp_path: Path) -> None:
    paths = sources(tmp_path / "in", 50)
    predict(bundle, paths, tmp_path / "here", chunk_rows=7)
    more = ("--chunk_rows", "7", "--workers", "2", "--ray_address", cluster.address)
    done = run(bundle, paths, tmp_path / "out", *more)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("engine: ") == 1 and "250 rows, 1 bad rows" in done.stdout
    assert files_of(tmp_path / "out") == files_of(tmp_path / "here")
    content = bytearray(paths[-1].read_bytes())
    content[200:260] = bytes(60)
    paths[-1].write_bytes(content)
    done = run(bundle, paths[-1:], tmp_path / "refused", *more)
    assert done.returncode == 2 and "cannot be read (" in done.stderr.splitlines()[-1], done.stderr


@pytest.mark.slow
def test_a_machine_that_is_lost_in_the_middle(bundle: Bundle, cluster: Any, tmp_path: Path) -> None:
    paths = sources(tmp_path / "in", 600)
    predict(bundle, paths, tmp_path / "here", chunk_rows=20)
    process = subprocess.Popen(
        command(
            bundle, paths, tmp_path / "out", "--chunk_rows", "20", "--workers", "2", "--ray_address", cluster.address
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    journal = tmp_path / "out" / JOURNAL
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 10):
        time.sleep(0.02)
    assert process.poll() is None
    [worker] = cluster.worker_nodes
    cluster.remove_node(worker, allow_graceful=False)
    printed, _ = process.communicate(timeout=500)
    assert process.returncode == 0, printed
    assert files_of(tmp_path / "out") == files_of(tmp_path / "here")


@pytest.mark.slow
def test_a_run_of_a_cluster_that_is_killed_goes_on_without_one(bundle: Bundle, cluster: Any, tmp_path: Path) -> None:
    paths = sources(tmp_path / "in", 600)
    predict(bundle, paths, tmp_path / "here", chunk_rows=20)
    more = ("--chunk_rows", "20", "--workers", "2")
    process = subprocess.Popen(command(bundle, paths, tmp_path / "out", *more, "--ray_address", cluster.address))
    journal = tmp_path / "out" / JOURNAL
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= 10):
        time.sleep(0.02)
    process.kill()
    process.wait()
    done = run(bundle, paths, tmp_path / "out", *more, "--resume")
    assert done.returncode == 0 and "row(s) are done already" in done.stdout, done.stderr
    assert files_of(tmp_path / "out") == files_of(tmp_path / "here")


@pytest.mark.slow
def test_rows_that_end_every_actor(
    bundle: Bundle, cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends after a few times, and keeps what was done before those rows."""
    [path] = [write_rows(tmp_path / "in" / "rows.jsonl", pairs(40))]

    class Ending(actors.ActorPredictor):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            real = self._predictor
            self._predictor = lambda chunk: os._exit(3) if chunk.number == 3 else real(chunk)  # type: ignore[assignment]

    def on_the_cluster(settings: WorkerSettings) -> actors.RayWorkers:
        return actors.RayWorkers(settings, 2, cluster.address)

    with monkeypatch.context() as patch:
        patch.setattr(actors, "ActorPredictor", Ending)
        with pytest.raises(ToolkitError, match=r"ended 3 times over .*rows.jsonl:16 to 20: where memory"):
            predict(bundle, [path], tmp_path / "out", on_the_cluster)
    predict(bundle, [path], tmp_path / "out", on_the_cluster, resume=True)
    predict(bundle, [path], tmp_path / "here")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "here")


def test_a_package_that_is_missing_is_named(bundle: Bundle, tmp_path: Path) -> None:
    """What a machine without Ray, or without pyarrow, is told before anything is computed."""
    source = write_rows(tmp_path / "in.parquet", pairs(3))
    for package, more, message in (
        (
            "ray",
            ["--ray_address", "auto"],
            "ray is not installed: pip install 'ernie_toolkit[distributed]'",
        ),
        ("pyarrow", [], "pyarrow is not installed, which reads Parquet files: pip install 'ernie_toolkit[parquet]'"),
    ):
        without = f"import sys; sys.modules[{package!r}] = None; import runpy; sys.argv = sys.argv[1:]; "
        without += "runpy.run_path(sys.argv[0], run_name='__main__')"
        line = command(bundle, [source], tmp_path / "out", *more)
        done = subprocess.run([sys.executable, "-c", without, *line[1:]], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / "out").exists()


def test_a_cluster_that_is_not_there(bundle: Bundle, tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.txt", pairs(3))
    for address, message in (("nowhere", "is neither auto nor HOST:PORT"), ("127.0.0.1:1", "nothing answers there")):
        done = run(bundle, [source], tmp_path / "out", "--ray_address", address)
        assert done.returncode == 2 and f"--ray_address {address}" in done.stderr and message in done.stderr
        assert done.stderr.count("\n") == 1 and not (tmp_path / "out").exists()
