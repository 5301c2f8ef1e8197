"""Who may ask the HTTP service, and requests that are refused as a whole, with answers that arrive."""

import base64
import http.client
import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from answers import INPUTS
from http_calls import NAMES, HttpServer, data_of, serving
from raw_http import post_bytes, read_answer
from servers import free_ports
from serving_limits import connected, refused, until_closed
from tiny import ROOT

from ernie_toolkit.errors import ConfigError
from ernie_toolkit.simple_serving.client import ServerError, post
from ernie_toolkit.simple_serving.options import ServingOptions

PATH = NAMES["seq_cls"]
BODY = json.dumps({"data": data_of("seq_cls")}).encode()
LIMIT = 1 << 16
KEY = "k3y-of-this-test"


@pytest.fixture(scope="module")
def python(environment: Callable[[str], Path]) -> Path:
    return environment("simple_serving")


@pytest.fixture(scope="module")
def server(python: Path, bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """A server with small bodies."""
    log = tmp_path_factory.mktemp("log") / "log"
    options = ("--max_body_bytes", LIMIT, "--body_timeout", 3, "--num_threads", 1)
    with serving(python, "seq_cls", bundles["seq_cls"], log, *options) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(python: Path, bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """A server with a key and names."""
    log = tmp_path_factory.mktemp("log") / "log"
    options = ("--allowed_hosts", "127.0.0.1", "*.nlp.example", "[::1]")
    env = {"ERNIE_API_KEY": KEY}
    with serving(python, "seq_cls", bundles["seq_cls"], log, *options, env=env) as running:
        yield running


@pytest.mark.parametrize("factor", [1.01, 3, 40, 400])
def test_a_body_that_is_too_large_gets_its_answer(server: HttpServer, factor: float) -> None:
    body = b" " * int(LIMIT * factor)
    chunked = iter([body[start : start + 50_000] for start in range(0, len(body), 50_000)])
    for sent in (body, chunked):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        with closing(connection):
            connection.request("POST", PATH, sent)  # all of it, before the answer is looked for
            response = connection.getresponse()
            assert (response.status, response.getheader("Connection")) == (413, "close")
            assert f"more than {LIMIT} bytes" in json.loads(response.read())["detail"]
    with pytest.raises(ServerError, match="HTTP 413"):
        post(server.url + PATH[1:], {"text": "a" * len(body), "text_pair": "b"}, retries=0)


def test_a_body_without_end_is_cut_off(server: HttpServer) -> None:
    head = post_bytes(PATH, b"", "Transfer-Encoding: chunked", length=False)
    chunk = b"10000\r\n" + b" " * (1 << 16) + b"\r\n"
    with connected(server.port, head) as one:
        sent = 0
        with pytest.raises(OSError):
            while sent < 1 << 30:
                one.sendall(chunk)
                sent += len(chunk)
        assert sent < 1 << 29
    elsewhere = post_bytes("/nothing", b"", "Content-Length: 100000000000", length=False)
    with connected(server.port, elsewhere) as one, pytest.raises(OSError):
        for _ in range(1 << 14):
            one.sendall(chunk)
    assert refused(server, "a body went on after the answer") == 1


@pytest.mark.parametrize(
    ("request_bytes", "status", "reason"),
    [
        (post_bytes(PATH, b"0\r\n\r\n", "Transfer-Encoding: chunked"), 400, "exclude each other"),
        (post_bytes(PATH, b"", "transfer-encoding: Chunked", "X: y"), 400, "exclude each other"),
        (post_bytes(PATH, BODY, "Content-Length: 5"), 400, "Content-Length"),
        (post_bytes(PATH, BODY, "Content-Length: 5, 6", length=False), 400, "Content-Length"),
        (post_bytes(PATH, BODY, "Content-Length: +5", length=False), 400, "Content-Length"),
        (post_bytes(PATH, BODY, "Content-Length: 0x5", length=False), 400, "Content-Length"),
        (post_bytes(PATH, BODY, "Content-Length: " + "9" * 30, length=False), 400, "Content-Length"),
        (post_bytes(PATH, BODY, "Transfer-Encoding: gzip, chunked", length=False), 501, "chunked"),
        (post_bytes(PATH, BODY, "Transfer-Encoding: chunked", version="1.0", length=False), 400, "HTTP/1.0"),
        (post_bytes(PATH, BODY, "X: a\r\n\tb"), 400, "folded"),
        (post_bytes(PATH, BODY, "X: a\nY: b"), 400, "carriage return"),
        (post_bytes(PATH, BODY, "X: a\rY: b"), 400, ""),
        (post_bytes(PATH, BODY, "X : a"), 400, ""),
        (post_bytes(PATH, BODY, "Host: second"), 400, "Host"),
        (post_bytes(PATH, BODY, "X: " + "a" * 20_000), 431, "16384"),
    ],
)
def test_requests_whose_end_is_in_doubt_are_refused(
    server: HttpServer, request_bytes: bytes, status: int, reason: str
) -> None:
    with connected(server.port, request_bytes + b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n") as one:
        answer = until_closed(one)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()) and answer.count(b"HTTP/1.1") == 1
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower() and reason in json.loads(body)["detail"]


def test_a_chunk_that_breaks_off_is_refused_while_the_application_waits(server: HttpServer) -> None:
    for tail in (b"zz\r\n", b"5\nabcde\r\n", b"3\r\nabcde\r\n"):
        with connected(
            server.port, post_bytes(PATH, b"2\r\n{}\r\n", "Transfer-Encoding: chunked", length=False)
        ) as one:
            one.sendall(tail)
            assert until_closed(one).startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in server.server.output()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Content-Type": "text/plain"}, 200),
        ({"Content-Type": "application/json"}, 200),
        ({"Content-Type": "text/plain", "Origin": "https://elsewhere.example"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded", "Origin": "null"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=application/json", "Origin": "http://127.0.0.1:1"}, 415),
        ({"Content-Type": "text/plain; application/json", "Origin": "http://localhost.elsewhere.example"}, 415),
        ({"Origin": "https://elsewhere.example"}, 415),
        ({"Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"}, 415),
        ({"Sec-Fetch-Site": "same-site", "Content-Type": "text/plain"}, 415),
        ({"Content-Type": "Application/JSON; charset=utf-8", "Origin": "https://elsewhere.example"}, 200),
        ({"Content-Type": "text/plain", "Origin": "http://OWN", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_another_sites_page_cannot_ask(server: HttpServer, headers: dict[str, str], status: int) -> None:
    own = f"127.0.0.1:{server.port}"
    reply = server.call("POST", PATH, BODY, {name: value.replace("OWN", own) for name, value in headers.items()})
    assert reply.status == status
    assert not any(name.startswith("access-control-") for name in reply.headers)
    preflight = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    assert server.call("OPTIONS", PATH, headers=preflight).status in (405, 415)


def test_the_key_opens_all_and_health_needs_none(guarded: HttpServer) -> None:
    basic = base64.b64encode(f"anyone:{KEY}".encode()).decode()
    right = ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"basic {basic}"})
    wrong = (
        {},
        {"X-API-Key": KEY + "x"},
        {"Authorization": KEY},
        {"Authorization": f"Bearer {KEY[:-1]}"},
        {"Authorization": "Basic !"},
        {"Authorization": f"Basic {KEY}"},
        {"X-API-Key": "\xff"},
        {"Authorization": "Bearer "},
    )
    assert guarded.call("GET", "/health").status == 200
    for path in ("/", "/page.js", "/ready", "/metrics", "/info", "/nothing", "/health/"):
        for headers in wrong:
            reply = guarded.call("GET", path, headers=headers)
            assert reply.status == 401 and "Basic" in reply.headers["www-authenticate"]
        for headers in right:
            assert guarded.call("GET", path, headers=headers).status == (
                404 if path in ("/nothing", "/health/") else 200
            )
    for headers in wrong:
        assert guarded.call("POST", PATH, BODY, headers).status == 401
    for headers in right:
        assert guarded.call("POST", PATH, BODY, headers).status == 200
    assert KEY not in guarded.server.output()


def test_clients_show_the_key(guarded: HttpServer, python: Path) -> None:
    url = guarded.url + PATH[1:]
    assert len(post(url, data_of("seq_cls"), api_key=KEY)["label"]) == len(INPUTS["seq_cls"])
    with pytest.raises(ServerError, match=r"HTTP 401: .*no valid API key"):
        post(url, data_of("seq_cls"), retries=3, api_key="other")
    for key in ("a\nb", "密"):
        with pytest.raises(ConfigError, match="printable ASCII"):
            post(url, data_of("seq_cls"), api_key=key)
    command = [str(python), str(ROOT / "deploy/simple_serving/client_seq_cls.py"), "--url", url]
    for extra, env, code in (((), {"ERNIE_API_KEY": KEY}, 0), (("--api_key", KEY), {}, 0), ((), {}, 2)):
        done = subprocess.run(
            [*command, *extra], capture_output=True, text=True, check=False, env={**os.environ, **env}
        )
        assert done.returncode == code, done.stderr
        assert len(done.stderr.splitlines()) == (code != 0)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8189", True),
        ("[::1]:80", True),
        ("a.nlp.example", True),
        ("A.NLP.EXAMPLE:1", True),
        ("nlp.example", False),
        ("evilnlp.example", False),
        ("127.0.0.1.example", False),
        ("localhost", False),
        ("", False),
        ("[::1", False),
        ("127.0.0.1@elsewhere.example", False),
    ],
)
def test_the_host_is_checked_where_names_are_given(guarded: HttpServer, host: str, allowed: bool) -> None:
    reply = guarded.call("GET", "/ready", headers={"Host": host, "X-API-Key": KEY})
    assert reply.status == (200 if allowed else 421)
    assert guarded.call("GET", "/health", headers={"Host": host}).status == 200


def test_the_default_address_is_this_machines_own(python: Path, bundles: dict[str, Path]) -> None:
    command = [
        str(python),
        str(ROOT / "deploy/simple_serving/server_seq_cls.py"),
        "--model_path",
        str(bundles["seq_cls"]),
    ]
    for host, address in (((), "127.0.0.1"), (("--host", "0.0.0.0"), "0.0.0.0"), (("--host", "::1"), "[::1]")):
        port = str(free_ports(1)[0])
        process = subprocess.Popen([*command, "--port", port, *host], stderr=subprocess.PIPE, text=True)
        timer = threading.Timer(60, process.kill)
        timer.start()
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("ready:"):
                process.terminate()
        timer.cancel()
        assert process.wait(20) == 0
        warnings = [line for line in lines if "every machine" in line]
        assert len(warnings) == (address == "0.0.0.0") and len(lines) == 2 + len(warnings), lines
        assert any(line.startswith(f"http://{address}:{port}/") for line in lines)
        assert all("ERNIE_API_KEY" in line for line in warnings)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"api_key": ""}, "api_key is empty"),
        ({"api_key": "a b"}, "printable ASCII"),
        ({"api_key": "密"}, "ASCII"),
        ({"allowed_hosts": ("http://a",)}, "allowed_hosts has"),
        ({"allowed_hosts": ("a:80",)}, "without port"),
        ({"max_pending_bytes": 1000}, "less than one body"),
        ({"max_connections": 0}, "max_connections is 0"),
        ({"header_timeout": 0.0}, "header_timeout is 0"),
        ({"write_timeout": float("inf")}, "write_timeout is inf"),
        ({"body_timeout": float("nan")}, "body_timeout is nan"),
    ],
)
def test_settings_that_cannot_be_are_refused(setting: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        ServingOptions("qa", "bundle", **setting)  # type: ignore[arg-type]


def test_the_key_is_in_no_representation() -> None:
    assert KEY not in repr(ServingOptions("qa", "bundle", api_key=KEY))


def test_a_refused_request_leaves_its_connection_usable(guarded: HttpServer) -> None:
    first = post_bytes(PATH, BODY, "Content-Type: application/json").replace(b"localhost", b"127.0.0.1")
    second = first.replace(b"Content-Type", f"X-API-Key: {KEY}\r\nContent-Type".encode())
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=30) as one, one.makefile("rb") as stream:
        for sent, status in ((first, 401), (second, 200), (first, 401)):
            one.sendall(sent)
            answer = read_answer(stream)
            assert answer is not None and answer.status == status
