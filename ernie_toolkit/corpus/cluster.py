"""Workers on the machines of a Ray cluster: actors of Ray Data, which starts others where a machine is lost."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ernie_toolkit.corpus.chunks import Chunk, ChunkSource, Result
from ernie_toolkit.corpus.processes import MAX_DEATHS, too_many_deaths
from ernie_toolkit.corpus.worker import ChunkPredictor, Failure, WorkerSettings
from ernie_toolkit.errors import ConfigError, ToolkitError
from ernie_toolkit.ray_cluster import ray_cluster

_COLUMN = "chunk"
# The argument of newer Rays that says on which machine something runs.
LABELS = "label_selector"


class ActorPredictor:
    """A `ChunkPredictor` as Ray Data calls it: a table with one pickled chunk in, one with its pickled result out.

    Args:
        settings: What the predictor needs to know.
        attempts: The actor of `Attempts`, which outlives this one.
    """

    def __init__(self, settings: WorkerSettings, attempts: Any) -> None:
        self._settings = settings
        self._predictor = ChunkPredictor(settings)
        self._attempts = attempts

    def __call__(self, table: Any) -> Any:
        """The table of the results."""
        given = (pickle.loads(value.as_py()) for value in table.column(_COLUMN))
        return _table(item if isinstance(item, Failure) else self._answer(item) for item in given)

    def _answer(self, chunk: Chunk) -> Result | Failure:
        import ray

        if ray.get(self._attempts.begin.remote(chunk.number)) > MAX_DEATHS:
            return Failure(too_many_deaths("an actor of the cluster", self._settings.layouts, chunk), True)
        answer = self._predictor(chunk)
        ray.get(self._attempts.end.remote(chunk.number))
        return answer


class Attempts:
    """How often each chunk was begun and not finished.

    Ray begins the work of an actor that has ended again without end, and what it can count itself goes up as well where
    a machine is lost for a while.
    """

    def __init__(self) -> None:
        self._begun: dict[int, int] = {}

    def begin(self, number: int) -> int:
        """The number of attempts at a chunk, with this one."""
        self._begun[number] = self._begun.get(number, 0) + 1
        return self._begun[number]

    def end(self, number: int) -> None:
        """Forget a chunk that is answered."""
        self._begun.pop(number, None)


def _table(values: Iterable[Any]) -> Any:
    import pyarrow as arrow

    return arrow.table({_COLUMN: arrow.array([pickle.dumps(value) for value in values], arrow.large_binary())})


class RayWorkers:
    """Predicts chunks in actors of a Ray cluster, and gives the results in the chunks' order.

    The files are read on this machine, a few chunks ahead; every machine has the bundle under the same path.

    Args:
        settings: What each worker needs to know.
        count: How many actors there are; None: as many as the cluster has processors.
        address: The cluster's: "auto", or HOST:PORT.
    """

    def __init__(self, settings: WorkerSettings, count: int | None, address: str) -> None:
        self._settings = settings
        self._count = count
        self._address = address

    def results(self, source: ChunkSource) -> Iterator[Result]:
        """Yield the result of each chunk, in order.

        Args:
            source: The chunks.

        Raises:
            ConfigError: Where there is no cluster at the address.
            ToolkitError: As a worker says.
            RuntimeError: On a defect in a worker, with its traceback.
        """
        with ray_cluster(self._address) as ray:
            batches = self._dataset(ray, source).iter_batches(
                batch_size=None, batch_format="pyarrow", prefetch_batches=1
            )
            try:
                for batch in batches:
                    for value in batch.column(_COLUMN):
                        answer = pickle.loads(value.as_py())
                        if isinstance(answer, Failure):
                            raise answer.error()
                        yield answer
            except ray.exceptions.RayError as error:
                raise _lost(error) from None

    def _dataset(self, ray: Any, source: ChunkSource) -> Any:
        """The results as a dataset of Ray, which is computed while it is iterated."""
        from ray.data import DataContext

        context = DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        # A block is a chunk: who writes it waits for no other.
        context.target_max_block_size = 1
        count = self._count or max(int(ray.cluster_resources().get("CPU", 1)), 1)
        here = _here(ray)
        reading = here if LABELS in here else {"ray_remote_args": here}
        chunks = ray.data.read_datasource(_datasource(source), override_num_blocks=1, **reading)
        attempts = ray.remote(Attempts).options(**here).remote()  # ends with the run
        return chunks.map_batches(
            ActorPredictor,
            fn_constructor_args=(self._settings, attempts),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=count),
            num_cpus=1,
        )


def _lost(error: Exception) -> ToolkitError:
    missing = re.search(r"No module named '[\w.]+'", str(error))
    if missing:
        return ConfigError(
            f"a machine of the Ray cluster cannot predict ({missing[0]}): install this version of the toolkit on each"
        )
    return ToolkitError(f"the Ray cluster could not go on ({error!s:.300}): continue with `resume`")


def _here(ray: Any) -> dict[str, Any]:
    """What keeps a task or an actor on this machine, as the reading, since it has the files; no processor is taken."""
    node = ray.get_runtime_context().get_node_id()
    if LABELS in inspect.signature(ray.data.read_datasource).parameters:
        return {"num_cpus": 0, LABELS: {"ray.io/node-id": node}}
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # Ray before 2.50 or so knows no labels.
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}


def _read(source: ChunkSource) -> Iterator[Chunk | Failure]:
    """The chunks; in place of the rest the error of a file that cannot be read."""
    try:
        yield from source
    except ToolkitError as error:
        yield Failure(str(error), True)


def _datasource(source: ChunkSource) -> Any:
    """The chunks as a source of Ray Data: one task that reads them one after another."""
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    class Chunks(Datasource):
        def get_name(self) -> str:
            return "Corpus"

        def estimate_inmemory_data_size(self) -> None:
            return None

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[Any]:
            metadata = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
            return [ReadTask(lambda: (_table([chunk]) for chunk in _read(source)), metadata)]

    return Chunks()
