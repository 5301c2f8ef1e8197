"""The service's log: what a client sends stays on one line, and moves no terminal's cursor."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from http_calls import data_of, serving
from serving_waits import wait_for

from ernie_toolkit.bundle import Recommendation, read_bundle, recommend
from ernie_toolkit.bundle.info import LATENCY, THROUGHPUT


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_are_logged_on_one_line_each(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path: Path, workers: int
) -> None:
    log = tmp_path / "log"
    options = ("--access_log", "--workers", workers)
    with serving(environment("simple_serving"), "seq_cls", bundles["seq_cls"], log, *options) as server:
        for path in (b"/a%1b%5b31m%0d%0aINFO:%20forged", b"/b\x1b[2J", b"/c\xe2\x80\xaed?e=%1b"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
                connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                while connection.recv(4096):
                    pass
    content = log.read_bytes()
    assert b"GET /a" in content and b"404" in content
    assert not any(byte < 0x20 and byte != 0x0A for byte in content) and "\u202e" not in content.decode("utf-8")
    assert not any(line.startswith(b"INFO: forged") for line in content.split(b"\n"))


@pytest.mark.parametrize("workers", [1, 2])
def test_what_computes_is_told_everywhere(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path: Path, workers: int
) -> None:
    """The line when it is ready, /info, /metrics, and the log's line of each answer."""
    log = tmp_path / "log"
    options = ("--access_log", "--workers", workers, "--engine", "onnxruntime", "--precision_mode", "int8")
    with serving(environment("simple_serving"), "seq_cls", bundles["seq_cls"], log, *options) as server:
        wait_for(lambda: server.server.output().count("ready:") == workers)
        server.result(data_of("seq_cls"))
        assert server.post(b"{").status == 422
        info = server.call("GET", "/info").json
        figures = server.figures()
    assert (info["engine"], info["precision"]) == ("onnxruntime", "int8")
    assert figures['ernie_serving_engine{engine="onnxruntime",precision="int8"}'] == 1
    lines = log.read_text(encoding="utf-8").splitlines()
    assert sum(line.endswith('HTTP/1.1" 200 OK onnxruntime int8') and '"POST /models/' in line for line in lines) == 1
    assert sum(line.endswith("onnxruntime int8") for line in lines) == 1
    ready = [line for line in lines if line.startswith("ready:")]
    assert len(ready) == workers and all(", onnxruntime int8 (as asked for), " in line for line in ready)


def test_a_service_follows_the_recommendation_for_single_requests(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    bundle = read_bundle(shutil.copytree(bundles["seq_cls"], tmp_path / "bundle"))
    recommend(
        bundle,
        (
            Recommendation("onnxruntime", "int8", (), "this one", THROUGHPUT),
            Recommendation("onnxruntime", "fp32", (), "this one", LATENCY),
        ),
    )
    log = tmp_path / "log"
    with serving(environment("simple_serving"), "seq_cls", bundle.directory, log) as server:
        server.result(data_of("seq_cls"))
    assert ", onnxruntime fp32 (recommended by the bundle, measured on this one), " in log.read_text(encoding="utf-8")
