"""Limits of the HTTP service: connections, slow and silent clients, bodies still arriving, memory, and the campaign."""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from answers import INPUTS
from campaign import campaign, memory
from http_calls import NAMES, SCRIPTS, HttpServer, data_of, serving
from raw_http import Squatters, post_bytes, raised_descriptors
from serving_limits import DESCRIPTORS, connected, refused, until_closed
from serving_waits import LONG, LONG_OPTIONS, wait_for

PATH = NAMES["seq_cls"]
BODY = json.dumps({"data": data_of("seq_cls")}).encode()


@pytest.fixture(scope="module")
def python(environment: Callable[[str], Path]) -> Path:
    return environment("simple_serving")


@pytest.fixture(scope="module")
def server(python: Path, bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """A server with few descriptors and little patience."""
    options = ("--header_timeout", 1.5, "--body_timeout", 2, "--write_timeout", 2, "--num_threads", 1)
    bounds = ("--max_pending_bytes", 3 << 20, "--max_body_bytes", 1 << 20)
    log = tmp_path_factory.mktemp("log") / "log"
    with serving(python, "seq_cls", bundles["seq_cls"], log, *options, *bounds, descriptors=DESCRIPTORS) as running:
        yield running


@contextlib.contextmanager
def connections(port: int, count: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections that have sent some bytes."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connected(port, sent)) for _ in range(count)]


@pytest.mark.parametrize("workers", [1, 2])
def test_idle_connections_shut_nobody_out(python: Path, bundles: dict[str, Path], tmp_path: Path, workers: int) -> None:
    options = ("--num_threads", 1, "--workers", workers)
    log = tmp_path / "log"
    with serving(python, "seq_cls", bundles["seq_cls"], log, *options, descriptors=DESCRIPTORS) as server:
        wait_for(lambda: server.server.output().count("ready:") == workers)
        with Squatters(server.port, idle=250 * workers, slow=30) as squatters, ThreadPoolExecutor(8) as pool:
            wait_for(lambda: squatters.closed > 50)
            for result in pool.map(lambda _: server.result(data_of("seq_cls")), range(60)):
                assert len(result["label"]) == len(INPUTS["seq_cls"])
            assert refused(server, "closed for another, silent") > 50
            assert refused(server, "no descriptor") == 0
            assert server.figures()["ernie_serving_connections"] <= workers * (DESCRIPTORS - 128)
        lines = server.server.output().splitlines()
        assert len(lines) < 100 and not [line for line in lines if "Traceback" in line]
        assert server.server.stop() == 0


def test_connections_whose_requests_are_answered_are_kept(python: Path, slow_bundle: Path, tmp_path: Path) -> None:
    options = (*LONG_OPTIONS, "--queue_size", 64, "--max_connections", 3)
    path, whole = NAMES["token_cls"], b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    body = json.dumps({"data": {"text": LONG[: len(LONG) // 3]}}).encode()
    with serving(python, "token_cls", slow_bundle, tmp_path / "log", *options) as server:
        with connections(server.port, 3, post_bytes(path, body, "Expect: 100-continue")) as asking:
            assert all(one.recv(100).startswith(b"HTTP/1.1 100 ") for one in asking)
            wait_for(lambda: until_closed(connected(server.port, whole)).startswith(b"HTTP/1.1 503 "))
            for one in asking:
                one.settimeout(120)
                assert one.recv(100).startswith(b"HTTP/1.1 200 ")
        assert refused(server, "too many connections") >= 1
        assert "Traceback" not in server.server.output()


@pytest.mark.parametrize(
    ("sent", "state"),
    [
        (b"G", "half a header"),
        (post_bytes(PATH, BODY)[:-1], "half a body"),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "idle"),
    ],
)
def test_no_kind_of_connection_shuts_others_out(
    python: Path, bundles: dict[str, Path], tmp_path: Path, sent: bytes, state: str
) -> None:
    options = ("--max_connections", 40, "--num_threads", 1)
    with (
        serving(python, "seq_cls", bundles["seq_cls"], tmp_path / "log", *options) as server,
        connections(server.port, 60, sent),
        ThreadPoolExecutor(8) as pool,
    ):
        for result in pool.map(lambda _: server.result(data_of("seq_cls")), range(40)):
            assert len(result["label"]) == len(INPUTS["seq_cls"])
        assert refused(server, f"closed for another, {state}") >= 20
        assert refused(server, "too many connections") == 0


def test_silent_slow_and_stalled_clients_are_closed(server: HttpServer) -> None:
    half = b"GET /health HTTP/1.1\r\nHost: x\r\nX: "
    stalled = b"POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    idle = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    started = time.monotonic()
    with (
        connections(server.port, 20) as silent,
        connections(server.port, 20, half) as slow,
        connections(server.port, 5, stalled) as unread,
        connections(server.port, 5, idle) as answered,
    ):
        while time.monotonic() - started < 1:
            for one in slow:
                one.sendall(b"a")
            time.sleep(0.1)
        assert len(server.result(data_of("seq_cls"))["label"]) == len(INPUTS["seq_cls"])
        assert all(until_closed(one) == b"" for one in silent)
        assert all(until_closed(one).startswith(b"HTTP/1.1 408 ") for one in slow)
        assert all(until_closed(one).startswith(b"HTTP/1.1 405 ") for one in unread)
        assert all(until_closed(one).startswith(b"HTTP/1.1 200 ") for one in answered)
    assert refused(server, "a header did not arrive in time") >= 40


def test_the_next_header_of_a_kept_connection_has_its_time_too(server: HttpServer) -> None:
    whole = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(server.port, whole) as one:
        time.sleep(2)  # idle for longer than a header may take
        one.sendall(whole + whole[:20])
        answers = until_closed(one)
    assert answers.count(b"HTTP/1.1 200 ") == 2 and answers.count(b"HTTP/1.1 408 ") == 1


def test_a_client_that_reads_no_answer_is_closed(python: Path, bundles: dict[str, Path], tmp_path: Path) -> None:
    options = ("--write_timeout", 1, "--max_rows", 10**6)
    body = json.dumps({"data": {"text": ["记者在枫坪村见到了教师秦昭岫。" * 400] * 20}}, ensure_ascii=False).encode()
    with (
        serving(python, "token_cls", bundles["token_cls"], tmp_path / "log", *options) as server,
        socket.socket() as one,
    ):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", server.port))
        one.sendall(post_bytes(NAMES["token_cls"], body))
        wait_for(lambda: refused(server, "an answer was not taken in time") == 1, 60)
        wait_for(lambda: server.figures()["ernie_serving_connections"] <= 1)
        assert server.result({"text": "有人吗"})["tokens_label"]


def test_bodies_still_arriving_share_one_budget(server: HttpServer) -> None:
    part = post_bytes(PATH, b" " * (1 << 20))[: 700 << 10]
    with connections(server.port, 4, part) as arriving:  # the fourth goes beyond 3 MB
        wait_for(lambda: server.figures()["ernie_serving_pending_bytes"] > 2 << 20)
        small = server.post(BODY)
        assert small.status == 200
        with connected(server.port, post_bytes(PATH, b" " * (1 << 20))) as one:
            answer = until_closed(one)
        assert answer.startswith(b"HTTP/1.1 503 ") and b"retry-after: 1" in answer and b"connection: close" in answer
        answers = [until_closed(one) for one in arriving]
    assert sum(answer.startswith(b"HTTP/1.1 408 ") for answer in answers) >= 3
    wait_for(lambda: server.figures()["ernie_serving_pending_bytes"] == 0)
    assert server.post(BODY.ljust(1 << 20)).status == 200


def test_memory_of_large_requests_is_given_back(python: Path, bundles: dict[str, Path], tmp_path: Path) -> None:
    large = {"text": ["记者在枫坪村见到了教师秦昭岫。" * 60] * 30}
    path = NAMES["token_cls"]
    with serving(python, "token_cls", bundles["token_cls"], tmp_path / "log", "--num_threads", 1) as server:
        server.result({"text": "有人吗"})
        before = memory(server)
        with ThreadPoolExecutor(4) as pool:
            for result in pool.map(lambda _: server.result(large), range(4)):
                assert len(result["tokens_label"]) == 30
        # Twice what may be held at once: the others are answered 503, and heard out. How many stay hangs on how their
        # parts arrive: where all have sent half when the budget is spent, most are refused.
        with connections(server.port, 128, post_bytes(path, b" " * (1 << 20))[:-1]):
            wait_for(lambda: server.figures()["ernie_serving_pending_bytes"] > 1 << 19)
            assert memory(server) - before < 64 * 1.05 + 110
        wait_for(lambda: server.figures()["ernie_serving_pending_bytes"] == 0)
        wait_for(lambda: memory(server) - before < 64)


@pytest.mark.parametrize("task", list(SCRIPTS))
def test_a_mixed_campaign_crosses_no_answers(
    python: Path, bundles: dict[str, Path], multi_label_bundle: Path, tmp_path: Path, task: str
) -> None:
    bundle = {**bundles, "multi_label": multi_label_bundle}[task]
    with (
        raised_descriptors(4096),
        serving(python, task, bundle, tmp_path / "log", descriptors=DESCRIPTORS) as server,
    ):
        tally, closed = campaign(server, requests=800, threads=24, idle=160, slow=20)
        assert not tally.wrong and not tally.unexpected and not tally.lost, (tally.wrong, tally.unexpected, tally.lost)
        assert closed > 0 and tally.statuses[200] > 400
        assert not any(status >= 500 and status != 503 for status in tally.statuses)
        output = server.server.output()
        assert "Traceback" not in output and len(output.splitlines()) < 200
        assert server.server.stop() == 0


def test_too_few_descriptors_are_said_in_one_line(python: Path, bundles: dict[str, Path], tmp_path: Path) -> None:
    for descriptors, options in ((100, ()), (256, ("--max_connections", 200))):
        log = tmp_path / f"log{descriptors}"
        with (
            pytest.raises(AssertionError, match="ended with 2"),
            serving(python, "qa", bundles["qa"], log, *options, descriptors=descriptors),
        ):
            raise RuntimeError("the server started")
        [line] = log.read_text().splitlines()
        assert f"with {descriptors} descriptors" in line and "ulimit -n" in line
