"""How fast a corpus is predicted, with how much memory, and whether a run that is killed goes on to the same answers.

    python benchmarks/corpus.py --rows 200000 --model_path best_models/tnews/export

Writes headlines of the sample's grammar to a file of JSON lines, and predicts them as `ernie-toolkit predict --input`
does: with each number of --workers, with the most of them killed in the middle and resumed, and through a Ray cluster
of this machine where --ray is given. Prints one table: rows a second (of the whole run, its start included), the most
memory that all processes had together, and what they had at a quarter, half, three quarters and the end. Memory is
the proportional set size: what processes share counts once. Without --model_path an untrained nano model is made,
which needs Paddle.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_line
from ernie_toolkit.corpus.journal import JOURNAL
from ernie_toolkit.data.sample import headlines
from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.files import sha256_of

SCRIPT = Path(__file__).resolve().parents[1] / "deploy" / "predictor" / "infer_cpu.py"
QUARTERS = (0.25, 0.5, 0.75, 1.0)
PROBE_SECONDS = 0.25


@dataclass
class Run:
    """What was measured of a run."""

    name: str
    seconds: float = 0.0
    peak: int = 0
    at: dict[float, int] = field(default_factory=dict)
    digest: str = ""


def texts() -> Iterator[str]:
    """Headlines without end."""
    for seed in itertools.count():
        for split in headlines.generate(seed).values():
            yield from (row["sentence"] for row in split)


def write_corpus(path: Path, rows: int) -> None:
    """Write so many headlines, a JSON object a line."""
    with path.open("w", encoding="utf-8") as stream:
        for number, text in enumerate(itertools.islice(texts(), rows)):
            stream.write(json.dumps({"id": number, "sentence": text}, ensure_ascii=False) + "\n")


def make_bundle(directory: Path) -> Path:
    """An untrained model of the sample's own size for headlines, exported."""
    from ernie_toolkit.data import load_dataset
    from ernie_toolkit.models import load_model
    from ernie_toolkit.models.loading import SAMPLE_MODEL
    from ernie_toolkit.session import Session

    data = load_dataset("tnews", data_source="sample", limits={"train": 20, "dev": 20})
    task = data.spec.task(64)
    session = Session(load_model(SAMPLE_MODEL, task), data, task)
    return session.export(directory / "export", 20, {}, trained=True).directory


def descendants() -> list[int]:
    """All processes that this one has started, and those that they have."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        parents[int(place.parent.name)] = int(fields[1])
    found = [os.getpid()]
    for parent in found:
        found += [child for child, one in parents.items() if one == parent]
    return found[1:]


def memory_of(processes: list[int]) -> int:
    """Bytes that processes have, what they share counted once."""
    total = 0
    for process in processes:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            continue  # it has ended meanwhile
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total


def share_done(journal: Path, size: int) -> float:
    """Which share of the input is done, by the journal's last whole line."""
    if not journal.exists():
        return 0.0
    with journal.open("rb") as stream:
        stream.seek(max(stream.seek(0, os.SEEK_END) - 1000, 0))
        lines = stream.read().split(b"\n")[:-1]
    return json.loads(lines[-1])["end"] / size if lines and lines[-1].startswith(b"{") else 0.0


def predict(name: str, source: Path, output: Path, options: list[str], kill_at: float | None = None) -> Run:
    """Predict the corpus, or kill the run at a share of it."""
    run, size, started = Run(name), source.stat().st_size, time.perf_counter()
    command = [sys.executable, str(SCRIPT), "--input", str(source), "--output", str(output), *options]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        while process.poll() is None:
            time.sleep(PROBE_SECONDS)
            used, done = memory_of(descendants()), share_done(output / JOURNAL, size)
            run.peak = max(run.peak, used)
            for quarter in QUARTERS[:-1]:
                if done >= quarter:
                    run.at.setdefault(quarter, used)
            if done < 1:  # afterwards the workers end
                run.at[QUARTERS[-1]] = used
            if kill_at is not None and done >= kill_at:
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
        run.seconds = time.perf_counter() - started
        log.seek(0)
        printed = log.read().decode("utf-8", "replace")
    if kill_at is None:
        if process.returncode:
            raise ToolkitError(f"{name} ended with {process.returncode}: {printed[-500:]}")
        print_line(f"{name}: {printed.splitlines()[-1]}")
        run.digest = sha256_of(output / f"{source.stem}.jsonl")
    return run


def report(runs: list[Run], rows: int) -> None:
    """Print the table."""
    print("| run | rows/s | peak | 25 % | 50 % | 75 % | 100 % | answers |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for run in runs:
        at = " | ".join(f"{run.at[quarter] >> 20:,} MiB" if quarter in run.at else "-" for quarter in QUARTERS)
        same = "equal" if run.digest == runs[0].digest else "NOT EQUAL"
        print(f"| {run.name} | {rows / run.seconds:,.0f} | {run.peak >> 20:,} MiB | {at} | {same} |")


def measure(source: Path, directory: Path, options: list[str], workers: list[int], ray: bool) -> list[Run]:
    """All runs."""
    runs = [
        predict(f"{count} worker(s)", source, directory / f"workers{count}", [*options, "--workers", str(count)])
        for count in workers
    ]
    output, two = directory / "killed", [*options, "--workers", str(workers[-1])]
    killed = predict("killed", source, output, two, kill_at=0.5)
    resumed = predict(f"{workers[-1]} worker(s), kill -9 at a half, --resume", source, output, [*two, "--resume"])
    resumed.seconds += killed.seconds
    resumed.peak = max(killed.peak, resumed.peak)
    resumed.at = {**resumed.at, **killed.at}
    runs.append(resumed)
    if ray:
        from ray.cluster_utils import Cluster

        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": workers[-1], "object_store_memory": 256 << 20}
        )
        try:
            given = [*options, "--workers", str(workers[-1]), "--ray_address", cluster.address]
            runs.append(predict(f"Ray, {workers[-1]} actor(s)", source, directory / "ray", given))
        finally:
            cluster.shutdown()
    return runs


def main() -> None:
    """Write the corpus, measure, print."""
    parser = OneLineParser(prog="corpus.py", description=__doc__)
    parser.add_argument("--model_path", help="bundle for single texts (default: an untrained nano model, made now)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="texts (default: %(default)s)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="(default: 1 2)")
    parser.add_argument("--ray", action="store_true", help="through a Ray cluster of this machine too")
    parser.add_argument("--chunk_rows", type=int, default=1000)
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--directory", type=Path, help="for the corpus and the answers (default: a temporary one)")
    args = parser.parse_args()
    with exit_on_toolkit_error(parser.prog), tempfile.TemporaryDirectory(dir=args.directory) as place:
        directory = Path(place)
        bundle = args.model_path or make_bundle(directory)
        source = directory / "headlines.jsonl"
        write_corpus(source, args.rows)
        print_line(f"{args.rows:,} texts, {source.stat().st_size / 1e6:,.1f} MB")
        options = ["--model_path", str(bundle), "--engine", args.engine, "--chunk_rows", str(args.chunk_rows)]
        report(measure(source, directory, options, args.workers, args.ray), args.rows)


if __name__ == "__main__":
    main()
