"""The client: what it tries again, what it refuses at once, and packages that are missing."""

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny import ROOT

from ernie_toolkit.errors import ConfigError, ToolkitError
from ernie_toolkit.simple_serving.client import ServerError, post

GOOD = b'HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n{"result": {"label": [1]}}'
SERVER_PACKAGES = ("prometheus_client", "starlette", "uvicorn")
BUSY = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 22\r\n\r\n"


@contextlib.contextmanager
def server_of(answers: list[bytes]) -> Iterator[str]:
    """A server that gives these bytes to one connection each, whatever it is asked, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection, connection.makefile("rb") as stream:
                    head = list(iter(stream.readline, b"\r\n"))
                    stream.read(*(int(line.split()[1]) for line in head if line.lower().startswith(b"content-length")))
                    connection.sendall(answer)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/models/ernie_cls"
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"", "closed connection"),
        (GOOD[:60], "IncompleteRead"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0"),
        (BUSY + b'{"detail": "the queue"}'[:22], "HTTP 503"),
        (BUSY + b'{"detail"', "HTTP 503"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "HTTP 502"),
    ],
)
def test_half_an_answer_is_tried_again(broken: bytes, reason: str) -> None:
    reasons: list[str] = []
    with server_of([broken, GOOD]) as url:
        assert post(url, {"text": "a"}, retries=1, on_retry=reasons.append) == {"label": [1]}
    assert len(reasons) == 1 and reason in reasons[0] and url in reasons[0]
    with server_of([broken]) as url, pytest.raises(ServerError, match=reason):
        post(url, {"text": "a"}, retries=0)


def test_an_answer_of_something_else_is_not_tried_again() -> None:
    for body in (b"{}", b"[]", b"x", b"\xff"):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        with server_of([answer]) as url, pytest.raises(ServerError, match="is not that of this service"):
            post(url, {"text": "a"})


@pytest.mark.parametrize(
    "url",
    [
        "not a url",
        "ftp://127.0.0.1/x",
        "http://",
        "http://127.0.0.1:port/x",
        "http://127.0.0.1:70000/x",
        "http://[::1/x",
        "http://127.0.0.1:9/a b",
        "http://a..b/x",
        "http://127.0.0.1:9/字",
    ],
)
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    def never(reason: str) -> None:
        raise AssertionError(reason)

    with pytest.raises(ServerError) as error:
        post(url, {}, on_retry=never)
    assert str(error.value).startswith(f"`url` {url}: no address of a server")


def test_negative_retries_are_refused(environment: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match="`retries` is -1"):
        post("http://127.0.0.1:9/x", {}, retries=-1)
    script = ROOT / "deploy/simple_serving/client_qa.py"
    done = run(environment("simple_serving"), script, "--retries", "-1")
    assert done.returncode == 2 and "--retries is -1: it must not be negative" in done.stderr


def run(python: Path, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, script, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "script", "missing", "requirements"),
    [
        ("triton_serving", "deploy/simple_serving/server_qa.py", SERVER_PACKAGES, "simple_serving"),
        ("triton_serving", "multi_label/deploy/simple_serving/server.py", SERVER_PACKAGES, "simple_serving"),
        ("simple_serving", "deploy/triton_serving/qa_grpc_client.py", ("tritonclient",), "triton_serving"),
        ("simple_serving", "deploy/serving/seq_cls_rpc_client.py", ("tritonclient",), "triton_serving"),
        (
            "simple_serving",
            "multi_label/deploy/triton_serving/seqcls_grpc_client.py",
            ("tritonclient",),
            "triton_serving",
        ),
    ],
)
def test_a_package_that_is_missing_is_said_in_one_line(
    environment: Callable[[str], Path], name: str, script: str, missing: tuple[str, ...], requirements: str
) -> None:
    """Each script in the environment of another deployment, which lacks what it needs."""
    done = run(environment(name), ROOT / script)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert any(f"No module named '{package}" in done.stderr for package in missing), done.stderr
    assert f"pip install -r deploy/{requirements}/requirements.txt" in done.stderr


def test_an_import_that_is_our_own_fault_keeps_its_traceback() -> None:
    from ernie_toolkit.inference.packages import packages_of

    with pytest.raises(ModuleNotFoundError), packages_of("requirements.txt"):
        import ernie_toolkit.nothing  # noqa: F401
    with pytest.raises(RuntimeError), packages_of("requirements.txt"):
        raise RuntimeError("something else")
    with pytest.raises(ToolkitError, match=r"pip install -r requirements\.txt"), packages_of("requirements.txt"):
        raise RuntimeError("no grpc support") from ModuleNotFoundError("No module named 'grpc'", name="grpc")
