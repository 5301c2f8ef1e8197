"""A run that was stopped at any moment goes on without a row lost or twice; what is another run is refused."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from corpora import FORMS, command, ends_at_once, files_of, pairs, predict, rows_of, run, write_rows
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kills import stopped_everywhere

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.corpus.chunks import CHUNK_CHARACTERS, ChunkSource, Result, grouped
from ernie_toolkit.corpus.inputs import find_inputs
from ernie_toolkit.corpus.journal import JOURNAL, Journal
from ernie_toolkit.corpus.lines import Record, read_csv, read_lines
from ernie_toolkit.errors import ConfigError, DataError, ToolkitError


def corpus(directory: Path, forms: tuple[str, ...] = FORMS, count: int = 17) -> list[Path]:
    """A file of each form, with bad rows where a form can have them."""
    paths = [write_rows(directory / f"{form}s.{form}", pairs(count)) for form in forms]
    for path in paths:
        if path.suffix != ".parquet":
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            lines[5:5], lines[9:9] = ["{bad\n", "\n"], ['"bad\n', "\n"]
            path.write_text("".join(lines), encoding="utf-8")
    return paths


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunk=st.integers(1, 9), cut=st.floats(0, 1), torn=st.binary(max_size=40), more=st.binary(max_size=60))
def test_every_state_that_a_kill_leaves_goes_on_to_the_same_files(
    bundle: Bundle, tmp_path: Path, form: str, chunk: int, cut: float, torn: bytes, more: bytes
) -> None:
    """The journal ends anywhere, inside of a line too; the files have what it says, and anything behind that."""
    place = tmp_path / f"{chunk}-{cut}"
    paths = corpus(place / "in", (form,))
    predict(bundle, paths, place / "whole", chunk_rows=chunk)
    expected, journal = files_of(place / "whole"), (place / "whole" / JOURNAL).read_bytes()
    shutil.copytree(place / "whole", place / "cut")
    kept = journal[: int(cut * len(journal))]
    (place / "cut" / JOURNAL).write_bytes(kept + torn.replace(b"\n", b""))
    for name, content in expected.items():
        if kept.count(b"\n") < journal.count(b"\n"):
            (place / "cut" / name).rename(place / "cut" / f".{name}.part")
            (place / "cut" / f".{name}.part").write_bytes(content + more)
    predict(bundle, paths, place / "cut", chunk_rows=chunk, resume=True)
    assert files_of(place / "cut") == expected
    assert not list((place / "cut").glob(".*.part"))
    shutil.rmtree(place)


def test_a_stop_before_each_file_operation(bundle: Bundle, tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in", ("txt", "jsonl"), 6)
    predict(bundle, paths, tmp_path / "whole", chunk_rows=4)
    layouts = _results(bundle, paths, tmp_path)

    def prepare(number: int) -> Any:
        output = tmp_path / str(number)
        return lambda: _write(output, paths, layouts)

    count = 0
    for number in stopped_everywhere(prepare):
        output = tmp_path / str(number)
        _write(output, paths, layouts)
        assert files_of(output) == files_of(tmp_path / "whole"), number
        count += 1
    assert count > 25


class _Kept(list[Result]):
    """The results of a run, which `_write` commits again."""


def _results(bundle: Bundle, paths: list[Path], tmp_path: Path) -> _Kept:
    kept, commit = _Kept(), Journal.commit

    def keeping(journal: Journal, result: Result) -> None:
        kept.append(result)
        commit(journal, result)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "commit", keeping)
        predict(bundle, paths, tmp_path / "recorded", chunk_rows=4)
    return kept


def _write(output: Path, paths: list[Path], results: _Kept) -> None:
    """Write what is not written yet, as a run that goes on does."""
    files, _ = find_inputs([str(path) for path in paths])
    journal = Journal(
        output, tuple(files), {"bundle": {}, "options": {}, "inputs": [{"path": str(path)} for path in paths]}
    )
    journal.open(resume=True, overwrite=False)
    done = [10**9 if state.last else state.records for state in journal.states]
    seen = [0] * len(files)
    for result in results:
        if seen[result.file] >= done[result.file]:
            journal.commit(result)
        seen[result.file] += result.records
    journal.close()


def _wait_for_lines(process: "subprocess.Popen[str]", journal: Path, count: int) -> None:
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= count):
        time.sleep(0.005)


def _killed_run(bundle: Bundle, paths: list[Path], output: Path, lines: int) -> bool:
    """Start a run, kill it when its journal has so many lines; whether it was still running."""
    process = subprocess.Popen(
        command(bundle, paths, output, "--chunk_rows", "3", "--workers", "2", "--resume"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    _wait_for_lines(process, output / JOURNAL, lines)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def test_a_killed_process_goes_on(bundle: Bundle, tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in", ("jsonl", "csv"), 600)
    predict(bundle, paths, tmp_path / "whole", chunk_rows=3)
    assert _killed_run(bundle, paths, tmp_path / "out", 9)
    done = run(bundle, paths, tmp_path / "out", "--chunk_rows", "3", "--resume")
    assert done.returncode == 0 and "row(s) are done already" in done.stdout, done.stderr
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_run_that_is_killed_again_and_again(bundle: Bundle, tmp_path: Path, form: str) -> None:
    paths = corpus(tmp_path / "in", (form,), 300)
    predict(bundle, paths, tmp_path / "whole", chunk_rows=3)
    for lines in (1, 2, 17, 40, 41, 77):
        _killed_run(bundle, paths, tmp_path / "out", lines)
    done = run(bundle, paths, tmp_path / "out", "--chunk_rows", "3", "--resume")
    assert done.returncode == 0, done.stderr
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def _children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    names = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in found}
    return [pid for pid, line in names.items() if b"spawn_main" in line]


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
def test_a_killed_worker_is_replaced(bundle: Bundle, tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in", ("jsonl",), 6000)
    predict(bundle, paths, tmp_path / "whole", chunk_rows=4)
    process = subprocess.Popen(
        command(bundle, paths, tmp_path / "out", "--chunk_rows", "4", "--workers", "2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_for_lines(process, tmp_path / "out" / JOURNAL, 10)
    process.send_signal(signal.SIGSTOP)  # so that it has not ended before the worker is killed
    assert (tmp_path / "out" / JOURNAL).read_bytes().count(b"\n") < 1480
    workers = _children(process.pid)
    os.kill(workers[0], signal.SIGKILL)
    process.send_signal(signal.SIGCONT)
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert errors.count("a worker process ended (signal 9") == 1
    assert "6,000 rows, 2 bad rows" in printed
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
def test_workers_end_with_the_process_that_is_killed(bundle: Bundle, tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in", ("jsonl",), 2000)
    process = subprocess.Popen(command(bundle, paths, tmp_path / "out", "--chunk_rows", "4", "--workers", "2"))
    _wait_for_lines(process, tmp_path / "out" / JOURNAL, 3)  # type: ignore[arg-type]
    workers = _children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert workers
    end = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def _stopped_early(bundle: Bundle, paths: list[Path], output: Path) -> None:
    with pytest.raises(DataError, match="cannot be read, and `max_bad_rows`"):
        predict(bundle, paths, output, chunk_rows=3, max_bad_rows=0)


def test_another_run_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in", ("jsonl", "txt"))
    output = tmp_path / "out"
    _stopped_early(bundle, paths, output)
    with pytest.raises(ConfigError, match="is there already: go on with `resume`, start anew with `overwrite`"):
        predict(bundle, paths, output, chunk_rows=3)
    for message, inputs, options in (
        ("batch_size was 32, and is 16", paths, {"batch_size": 16}),
        ("chunk_rows was 3, and is 4", paths, {"chunk_rows": 4}),
        ("its inputs are others", paths[:1], {}),
    ):
        with pytest.raises(ConfigError, match=message):
            predict(bundle, inputs, output, **{"chunk_rows": 3, "resume": True, **options})
    copied = shutil.copytree(bundle.directory, tmp_path / "bundle")
    info = (copied / "bundle.json").read_text(encoding="utf-8")
    (copied / "bundle.json").write_text(info + "\n", encoding="utf-8")
    from ernie_toolkit.bundle import read_bundle

    with pytest.raises(ConfigError, match="the bundle is another, or was changed"):
        predict(read_bundle(copied), paths, output, chunk_rows=3, resume=True)
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "jsonls.jsonl").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is there and no run to resume, start anew"):
        predict(bundle, paths, tmp_path / "strange", resume=True)
    before = files_of(output)
    os.utime(paths[1], ns=(1, 1))
    with pytest.raises(ConfigError, match=r"the input .*txts.txt was changed"):
        predict(bundle, paths, output, chunk_rows=3, resume=True)
    assert files_of(output) == before
    predict(bundle, paths, output, chunk_rows=3, overwrite=True)
    predict(bundle, paths, tmp_path / "whole", chunk_rows=3)
    assert files_of(output) == files_of(tmp_path / "whole")
    predict(bundle, paths, output, chunk_rows=3, resume=True)  # all is done
    assert files_of(output) == files_of(tmp_path / "whole")


def test_two_runs_into_one_directory(bundle: Bundle, tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in", ("jsonl",))
    files, _ = find_inputs([str(paths[0])])
    first = Journal(tmp_path / "out", tuple(files), {"bundle": {}, "options": {}, "inputs": []})
    first.open(resume=False, overwrite=False)
    with pytest.raises(ConfigError, match="another run writes there"):
        predict(bundle, paths, tmp_path / "out", overwrite=True)
    first.close()
    predict(bundle, paths, tmp_path / "out")


def test_files_that_are_shorter_than_the_journal_says(bundle: Bundle, tmp_path: Path) -> None:
    paths = corpus(tmp_path / "in", ("jsonl",))
    _stopped_early(bundle, paths, tmp_path / "out")
    part = tmp_path / "out" / ".jsonls.jsonl.part"
    os.truncate(part, part.stat().st_size - 1)
    with pytest.raises(ConfigError, match=r"bytes, and .* were written: start anew"):
        predict(bundle, paths, tmp_path / "out", chunk_rows=3, resume=True, max_bad_rows=0)


def test_an_input_that_changes_while_it_is_read(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [path] = corpus(tmp_path / "in", ("jsonl",))
    real = ChunkSource.__iter__

    def changing(source: ChunkSource) -> Any:
        for chunk in real(source):
            os.utime(path, ns=(1, 1))
            yield chunk

    monkeypatch.setattr(ChunkSource, "__iter__", changing)
    with pytest.raises(DataError, match="was changed while it was read"):
        predict(bundle, [path], tmp_path / "out", chunk_rows=3)


def test_a_chunk_that_ends_every_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that cannot even start ends the run after a few times, with the rows that it was at."""
    from ernie_toolkit.corpus import processes
    from ernie_toolkit.corpus.rows import Layout
    from ernie_toolkit.corpus.worker import WorkerSettings

    files, _ = find_inputs([str(path) for path in corpus(tmp_path / "in", ("jsonl",))])
    layouts = (Layout(files[0], "utf-8"),)
    workers = processes.LocalWorkers(WorkerSettings("nowhere", "", "onnxruntime", "fp32", layouts), 2)
    with pytest.raises(ToolkitError, match="nowhere is not a bundle"):
        list(workers.results(ChunkSource(layouts, 5)))
    monkeypatch.setattr(processes, "serve", ends_at_once)
    rows = "(1 to 5|6 to 10)"  # two workers end at the same time: either chunk may be the first to reach the limit
    with pytest.raises(ToolkitError, match=rf"ended 3 times \(exit code 3\) over .*jsonls.jsonl:{rows}: where memory"):
        list(workers.results(ChunkSource(layouts, 5)))


@given(st.lists(st.text(max_size=12).map(lambda text: text.replace("\n", "")), max_size=30), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_are_read_as_they_stand(tmp_path: Path, lines: list[str], wide: bool) -> None:
    codec = "utf-16-le" if wide else "utf-8"
    texts = [line.encode("utf-8", "ignore").decode("utf-8").lstrip("\ufeff").rstrip("\r") for line in lines]
    path = tmp_path / "lines.txt"
    path.write_bytes("".join(f"{text}\n" for text in texts).encode(codec))
    found = list(read_lines(path, codec))
    assert [record.value for record in found] == [text if text.strip() else None for text in texts]
    assert [record.line for record in found] == list(range(1, len(texts) + 1))
    assert not found or found[-1].end == path.stat().st_size


CELLS = st.text(st.sampled_from('ab",;\n 中'), max_size=6)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS.map(lambda text: text + "x")), max_size=12), st.integers(0, 40))
@example([("", "", "\n \nx")], 0)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_csv_that_a_writer_wrote_is_read_back(tmp_path: Path, rows: list[tuple[str, str, str]], at: int) -> None:
    import csv
    import io

    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    path = tmp_path / "rows.csv"
    path.write_bytes(written.getvalue().encode("utf-8"))
    assert [tuple(record.value) for record in read_csv(path, "utf-8", ",", 3)] == rows
    broken = written.getvalue()[:at] + '"' + written.getvalue()[at:]
    path.write_bytes(broken.encode("utf-8"))
    ends = [record.end for record in read_csv(path, "utf-8", ",", 3)]
    assert ends == sorted(set(ends)) and (not ends or ends[-1] == len(broken.encode("utf-8")))


def test_line_ends_of_windows(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b'a,b\r\n"1\r\n\r\n2",3\r\n\r\n4,"5\r\n')
    records = list(read_csv(tmp_path / "rows.csv", "utf-8", ",", 2))
    assert [record.value for record in records] == [["a", "b"], ["1\r\n\r\n2", "3"], None, '4,"5']
    assert [record.line for record in records] == [1, 2, 5, 6] and "no row of CSV" in records[-1].reason


def test_long_lines_and_long_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ernie_toolkit.corpus.lines.LONGEST_LINE", 1000)
    for codec in ("utf-8", "utf-16-le"):
        path = tmp_path / codec
        path.write_bytes(("a\n" + "b" * 5000 + "\nc\n").encode(codec))
        records = list(read_lines(path, codec))
        assert [record.value for record in records][::2] == ["a", "c"] and "a line of" in records[1].reason
    long = Record(1, "x" * (CHUNK_CHARACTERS // 2), "", 0)
    assert [len(group) for group, _ in grouped(iter([long] * 7), 1000)] == [2, 2, 2, 1]


def test_rows_of_a_resumed_run_are_those_that_are_left(bundle: Bundle, tmp_path: Path) -> None:
    [path] = corpus(tmp_path / "in", ("parquet",), 40)
    predict(bundle, [path], tmp_path / "out", chunk_rows=3)
    found = rows_of(tmp_path / "out" / "parquets.jsonl")
    assert [row["id"] for row in found] == list(range(40))
