"""Processes of the HTTP service: an orderly stop, several workers, a server that is killed, a user's mistakes."""

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from answers import HARD, INPUTS, assert_same_answers, expected_answers
from http_calls import NAMES, HttpServer, answers_of, data_of, is_ready, serving
from servers import free_ports, running_server
from serving_waits import LONG, LONG_OPTIONS, wait_for
from tiny import ROOT

from ernie_toolkit.simple_serving.client import post

SCRIPTS = ROOT / "deploy" / "simple_serving"


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def children(pid: int) -> list[int]:
    """Worker processes of a server."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    lines = [(int(child), Path(f"/proc/{child}/cmdline").read_bytes()) for child in text.split()]
    return [child for child, line in lines if b"spawn_main" in line]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_stop_finishes_what_was_taken(
    environment: Callable[[str], Path], slow_bundle: Path, tmp_path: Path, number: int, code: int
) -> None:
    python = environment("simple_serving")
    options = (*LONG_OPTIONS, "--queue_size", 64, "--stop_timeout", 600)
    with (
        serving(python, "token_cls", slow_bundle, tmp_path / "log", *options) as server,
        ThreadPoolExecutor(9) as pool,
    ):
        long = pool.submit(server.result, {"text": LONG})
        wait_for(lambda: server.figures()["ernie_serving_queue_length"] == 1)
        short = [pool.submit(server.result, {"text": [text]}) for text in HARD]
        answered = f'ernie_serving_requests_total{{path="{NAMES["token_cls"]}",status="200"}}'
        taken = (answered, "ernie_serving_queue_length")
        wait_for(lambda: sum(server.figures().get(name, 0) for name in taken) == 1 + len(HARD))
        assert not long.done()
        server.server.process.send_signal(number)
        wait_for(lambda: not listening(server.port))
        assert not long.done()
        assert len(long.result()["tokens_label"][0]) == len(LONG)
        answers = [answers_of("token_cls", future.result())[0] for future in short]
        assert_same_answers("token_cls", answers, expected_answers(slow_bundle, "token_cls"))
        assert server.server.process.wait(20) == code
        assert "Traceback" not in server.server.output()


def test_what_is_not_answered_in_time_is_503(
    environment: Callable[[str], Path], slow_bundle: Path, tmp_path: Path
) -> None:
    options = (*LONG_OPTIONS, "--queue_size", 64, "--stop_timeout", 1)
    with (
        serving(environment("simple_serving"), "token_cls", slow_bundle, tmp_path / "log", *options) as server,
        ThreadPoolExecutor(3) as pool,
    ):
        cut_off = [pool.submit(server.post, {"data": {"text": LONG * 2}}) for _ in range(3)]
        wait_for(lambda: server.figures()["ernie_serving_queue_length"] == len(cut_off))
        assert server.server.stop() == 0
        for future in cut_off:
            reply = future.result()
            assert (reply.status, reply.headers["retry-after"]) == (503, "1")
            assert "the server stopped" in reply.json["detail"]
        assert "Traceback" not in server.server.output()


def test_several_workers_finish_what_they_have_taken(
    environment: Callable[[str], Path], slow_bundle: Path, tmp_path: Path
) -> None:
    options = ("--workers", 2, "--num_threads", 1, "--max_rows", 10**6, "--stop_timeout", 600)
    texts = [f"{number}号{LONG[: 15 * (600 + 60 * number)]}" for number in range(8)]
    with (
        serving(environment("simple_serving"), "token_cls", slow_bundle, tmp_path / "log", *options) as server,
        ThreadPoolExecutor(len(texts)) as pool,
    ):
        wait_for(lambda: server.server.output().count("ready:") == 2)
        asked = [pool.submit(server.result, {"text": text}) for text in texts]
        answered = f'ernie_serving_requests_total{{path="{NAMES["token_cls"]}",status="200"}}'
        taken = (answered, "ernie_serving_queue_length")
        wait_for(lambda: sum(server.figures().get(name, 0) for name in taken) == len(texts))
        assert not all(future.done() for future in asked)
        assert server.server.stop(120) == 0
        assert [len(future.result()["tokens_label"][0]) for future in asked] == [len(text) for text in texts]
        assert "Traceback" not in server.server.output()


def test_two_workers_answer_and_tell_the_figures_of_both(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    python = environment("simple_serving")
    expected = expected_answers(bundles["seq_cls"], "seq_cls")
    with serving(python, "seq_cls", bundles["seq_cls"], tmp_path / "log", "--workers", 2) as server:
        main = server.server.process.pid
        wait_for(lambda: server.server.output().count("ready:") == 2)
        numbers = [number % len(INPUTS["seq_cls"]) for number in range(80)]

        def ask(number: int) -> dict[str, object]:
            return answers_of("seq_cls", server.result(data_of("seq_cls", [INPUTS["seq_cls"][number]])))[0]

        with ThreadPoolExecutor(16) as pool:
            got = list(pool.map(ask, numbers))
        assert_same_answers("seq_cls", got, [expected[number] for number in numbers])
        name = f'ernie_serving_requests_total{{path="{NAMES["seq_cls"]}",status="200"}}'
        wait_for(lambda: server.figures()[name] == len(numbers))  # counted when an answer is out
        workers = children(main)
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        wait_for(lambda: server.server.output().count("ready:") == 3)
        assert server.figures()[name] == len(numbers)
        wait_for(lambda: server.figures()["ernie_serving_queue_length"] == 0)
        assert ask(0) == got[0]
        assert server.server.stop() == 0


def test_workers_end_with_a_killed_parent(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    python = environment("simple_serving")
    with serving(python, "qa", bundles["qa"], tmp_path / "log", "--workers", 2) as server:
        wait_for(lambda: server.server.output().count("ready:") == 2)
        server.server.process.kill()
        wait_for(lambda: not listening(server.port))


def test_clients_that_retry_get_every_answer_of_a_killed_server(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    python = environment("simple_serving")
    expected = expected_answers(bundles["qa"], "qa")
    got: list[tuple[int, dict[str, object]]] = []
    stop = threading.Event()

    def ask(url: str, number: int) -> None:
        while not stop.is_set():
            result = post(url, data_of("qa", [INPUTS["qa"][number]]), retries=40)
            got.append((number, answers_of("qa", result)[0]))

    port = free_ports(1)[0]
    url = f"http://127.0.0.1:{port}{NAMES['qa']}"
    with ThreadPoolExecutor(6) as pool:
        try:
            with serving(python, "qa", bundles["qa"], tmp_path / "first", port=port):
                clients = [pool.submit(ask, url, number % 3) for number in range(6)]
                wait_for(lambda: len(got) > 30)
            before = len(got)  # the block has ended with SIGKILL, in mid-load
            with serving(python, "qa", bundles["qa"], tmp_path / "second", port=port):
                wait_for(lambda: len(got) > before + 30)
                stop.set()
                for client in clients:
                    client.result()
        finally:
            stop.set()
    assert_same_answers("qa", [answer for _, answer in got], [expected[number] for number, _ in got])


@pytest.fixture(scope="module")
def qa_server(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HttpServer]:
    with serving(environment("simple_serving"), "qa", bundles["qa"], tmp_path_factory.mktemp("log") / "log") as server:
        yield server


def run(python: Path, script: str, *arguments: str | Path | int) -> subprocess.CompletedProcess[str]:
    command = [str(part) for part in (python, SCRIPTS / script, *arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_errors_of_a_server_script_are_one_line(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path: Path, qa_server: HttpServer
) -> None:
    python, bundle = environment("simple_serving"), bundles["qa"]
    cases: list[tuple[tuple[str | Path | int, ...], str]] = [
        (("--model_path", tmp_path), "is not a bundle"),
        (("--model_path", bundles["seq_cls"]), "bundle for the task 'seq_cls', this server's is 'qa'"),
        (("--model_path", bundle, "--host", "127.0.0.1", "--port", qa_server.port), "Address already in use"),
        (("--model_path", bundle, "--host", "no.such.host.invalid"), "--host no.such.host.invalid"),
        (("--model_path", bundle, "--host", "a..b"), "--host a..b"),
        (("--model_path", bundle, "--port", 70000), "--port is 70000"),
        (("--model_path", bundle, "--workers", 0), "workers is 0"),
        (("--model_path", tmp_path, "--workers", 2, "--port", 0), "is not a bundle"),
        (("--precision_mode", "fp8"), "invalid choice"),
    ]
    for arguments, reason in cases:
        done = run(python, "server_qa.py", *arguments)
        lines = [line for line in done.stderr.splitlines() if ": loading (" not in line]
        assert done.returncode == 2, done.stderr
        assert len(lines) == 1, done.stderr
        assert reason in lines[0]


def test_of_two_servers_started_at_once_on_one_port_one_says_why_it_ends(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    port = free_ports(1)[0]
    command = [environment("simple_serving"), SCRIPTS / "server_qa.py", "--model_path", bundles["qa"], "--port", port]
    logs = [tmp_path / "first", tmp_path / "second"]
    with ExitStack() as stack:
        started = []
        for log in logs:
            stream = stack.enter_context(log.open("wb"))
            process = subprocess.Popen(list(map(str, command)), stderr=stream, start_new_session=True)
            stack.callback(process.wait)
            stack.callback(process.kill)
            started.append(process)
        wait_for(lambda: is_ready(port), 60)
        wait_for(lambda: any(process.poll() is not None for process in started))
        codes = [process.poll() for process in started]
        assert sorted(codes, key=str) == [2, None]
        lines = logs[codes.index(2)].read_text().splitlines()
        assert len(lines) == 1 and "Address already in use" in lines[0]
        assert is_ready(port)


def test_prometheus_folder_is_made_or_refused_in_one_line(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    python, port = environment("simple_serving"), free_ports(1)[0]
    (tmp_path / "file").touch()
    command = [python, SCRIPTS / "server_qa.py", "--model_path", bundles["qa"], "--host", "127.0.0.1", "--port", port]
    for folder in ("", str(tmp_path / "file" / "x")):
        variables = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": folder}
        done = subprocess.run(
            list(map(str, command)), env=variables, capture_output=True, text=True, check=False, timeout=60
        )
        lines = [line for line in done.stderr.splitlines() if ": loading (" not in line]
        assert done.returncode == 2 and len(lines) == 1, done.stderr
        assert "$PROMETHEUS_MULTIPROC_DIR is" in lines[0]
    variables = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "not" / "there")}
    with running_server(list(map(str, command)), tmp_path / "log", lambda: is_ready(port), env=variables):
        assert len(post(f"http://127.0.0.1:{port}{NAMES['qa']}", data_of("qa"))["answer"]) == len(INPUTS["qa"])
        assert list((tmp_path / "not" / "there").iterdir())


def test_client_scripts_show_answers(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path: Path, qa_server: HttpServer
) -> None:
    python = environment("simple_serving")
    url = f"{qa_server.url}models/ernie_qa"
    assert len(run(python, "client_qa.py", "--url", url).stdout.splitlines()) == 2
    assert len(run(python, "client_qa.py", "--url", url, "--dataset").stdout.splitlines()) == 8
    question, context = INPUTS["qa"][0]
    shown = run(python, "client_qa.py", "--url", url, "--question", question, "--context", context, "--doc_stride", 8)
    assert shown.stdout.startswith(f"{question}\t")
    refused = run(python, "client_qa.py", "--url", url, "--question", "a", "b", "--context", "c")
    assert refused.returncode == 2
    assert re.fullmatch(r"client_qa.py: error: .* HTTP 422: .*they must be pairs\n", refused.stderr)
    away = run(python, "client_seq_cls.py", "--url", f"http://127.0.0.1:{free_ports(1)[0]}/x", "--retries", 0)
    assert (away.returncode, away.stderr.count("\n")) == (2, 1)
    assert "is the server running?" in away.stderr
    for task, lines in (("seq_cls", 8), ("token_cls", 8)):
        with serving(python, task, bundles[task], tmp_path / task) as server:
            url = f"{server.url}{NAMES[task][1:]}"
            extra = ("--is_split_into_words",) if task == "token_cls" else ()
            shown = run(python, f"client_{task}.py", "--url", url, "--dataset", *extra)
            assert shown.returncode == 0, shown.stderr
            assert len([line for line in shown.stdout.splitlines() if not line.startswith("  ")]) == lines


@pytest.mark.parametrize("limited", [False, True])
def test_uvicorn_itself_serves_the_script(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path: Path, limited: bool
) -> None:
    port = free_ports(1)[0]
    limits = [
        "--loop",
        "ernie_toolkit.simple_serving.listener:ListeningLoop",
        "--http",
        "ernie_toolkit.simple_serving.protocol:GuardedProtocol",
    ]
    command = [environment("simple_serving"), "-m", "uvicorn", "--app-dir", SCRIPTS, "server_qa:app", "--port", port]
    command += limits if limited else []
    arguments = {"ERNIE_SERVING_ARGS": f"--model_path '{bundles['qa']}' --num_threads 1"}
    with running_server([str(part) for part in command], tmp_path / "log", lambda: is_ready(port), env=arguments):
        result = post(f"http://127.0.0.1:{port}{NAMES['qa']}", data_of("qa"))
    assert_same_answers("qa", answers_of("qa", result), expected_answers(bundles["qa"], "qa"))
