"""The HTTP service in its own environment: parity with `Predictor`, bad input, shared batches, a full queue."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from answers import HARD, INPUTS, assert_same_answers, expected_answers
from http_calls import NAMES, HttpServer, answers_of, data_of, serving
from light_imports import check_imports_no_paddle
from serving_waits import LONG, LONG_OPTIONS, wait_for

BODY_LIMIT = 1 << 16


@pytest.fixture(scope="module")
def servers(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, HttpServer]]:
    """A server for each task, FP32, with small bounds."""
    python, logs = environment("simple_serving"), tmp_path_factory.mktemp("logs")
    options = ("--max_body_bytes", BODY_LIMIT, "--body_timeout", 2, "--max_rows", 400, "--num_threads", 2)
    with ExitStack() as stack:
        yield {
            task: stack.enter_context(serving(python, task, bundles[task], logs / task, *options)) for task in INPUTS
        }


def test_the_service_imports_no_paddle(environment: Callable[[str], Path]) -> None:
    check_imports_no_paddle(environment("simple_serving"), "simple_serving")


@pytest.mark.parametrize("task", list(INPUTS))
def test_fp32_answers_are_predictors(servers: dict[str, HttpServer], bundles: dict[str, Path], task: str) -> None:
    expected = expected_answers(bundles[task], task)
    asked = [data_of(task)] + [data_of(task, [item]) for item in INPUTS[task]]
    whole, *single = (answers_of(task, servers[task].result(data, max_seq_len=512, batch_size=2)) for data in asked)
    assert_same_answers(task, whole, expected)
    assert_same_answers(task, [answers[0] for answers in single], expected)


@pytest.mark.parametrize("task", list(INPUTS))
def test_int8_answers_are_predictors(
    environment: Callable[[str], Path], bundles: dict[str, Path], task: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with serving(environment("simple_serving"), task, bundles[task], log, "--precision_mode", "int8") as server:
        got = answers_of(task, server.result(data_of(task)))
    assert_same_answers(task, got, expected_answers(bundles[task], task, "int8"))


def test_results_have_simple_servings_fields(servers: dict[str, HttpServer]) -> None:
    labels = servers["seq_cls"].result(data_of("seq_cls"))
    assert all(type(label) is int for label in labels["label"])
    assert all(0 <= value <= 1 for value in labels["confidence"])
    text = HARD[-1]
    tagged = servers["token_cls"].result({"text": [list(text), list("教师")]}, is_split_into_words=True)
    assert tagged == servers["token_cls"].result({"text": [text, "教师"]}, is_split_into_words=False)
    assert [len(tags) for tags in tagged["tokens_label"]] == [len(text), 2]
    assert tagged["value"][0]
    for item in tagged["value"][0]:
        assert set(item) >= {"pos", "entity", "label"}
        assert text[item["pos"][0] : item["pos"][1] + 1] == item["entity"]
    question, context = INPUTS["qa"][1]
    answer = servers["qa"].result({"question": question, "context": context}, max_seq_len=48, doc_stride=8)
    assert (answer["question"], answer["context"]) == ([question], [context])
    assert context[answer["start"][0] : answer["end"][0]] == answer["answer"][0]


def test_settings_of_a_request_are_predictors(servers: dict[str, HttpServer], bundles: dict[str, Path]) -> None:
    from ernie_toolkit.inference import Predictor

    for length, stride in ((40, 8), (56, 20)):
        predictor = Predictor(bundles["qa"], num_threads=1, max_seq_length=length, limits={"doc_stride": stride})
        expected = [answer.fields() for answer in predictor.predict(INPUTS["qa"])]
        got = servers["qa"].result(data_of("qa"), max_seq_len=length, doc_stride=stride, batch_size=1)
        assert_same_answers("qa", answers_of("qa", got), expected)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b'{"data":', "not JSON"),
        (b'{"data": "\xff"}', "UTF-8"),
        (b"[1]", "must be a JSON object"),
        ({"data": {"texts": ["a"]}}, "no field 'text'"),
        ({"data": {"text": [""], "text_pair": ["b"]}}, "empty text"),
        ({"data": {"text": [3], "text_pair": ["b"]}}, "must be a string"),
        ({"data": {"text": ["a", "b"], "text_pair": ["c"]}}, "they must be pairs"),
        ({"data": {"text": ["a"]}}, "no field 'text_pair'"),
        ({"data": {"text": ["a"] * 10_000, "text_pair": ["b"]}}, "a request may have 128"),
        ({"data": {"text": "a", "text_pair": "b"}, "parameters": {"max_seq_len": 2.5}}, "max_seq_len is 2.5"),
        ({"data": {"text": "a", "text_pair": "b"}, "model": 1}, "field 'model'"),
    ],
)
def test_bad_input_is_422_with_the_reason(servers: dict[str, HttpServer], body: Any, reason: str) -> None:
    reply = servers["seq_cls"].post(body)
    assert reply.status == 422
    assert reason in reply.json["detail"]


def test_too_large_bodies_and_too_many_windows(servers: dict[str, HttpServer]) -> None:
    server = servers["token_cls"]
    for size in (BODY_LIMIT + 1, 6 * BODY_LIMIT):
        assert server.call("POST", NAMES["token_cls"], b" " * size).status == 413
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(
            f"POST {NAMES['token_cls']} HTTP/1.1\r\nHost: x\r\nContent-Length: {10**12}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    assert server.post(b'{"data": {"text": "a"}}'.ljust(BODY_LIMIT)).status == 200
    # Ideographs are counted before the text is cut, other characters are not.
    for text, count in (("字 " * 5000, "at least 2500"), ("a " * 5000, "2500")):
        many = server.post({"data": {"text": text}, "parameters": {"max_seq_len": 5}})
        assert many.status == 422
        assert f"the texts make {count} windows of 5 tokens, a request may make 400" in many.json["detail"]
    assert len(server.result({"text": ["长" * 9000]})["tokens_label"][0]) == 9000


def test_a_body_in_chunks_is_read_and_bounded(servers: dict[str, HttpServer]) -> None:
    server = servers["token_cls"]
    body = json.dumps({"data": {"text": INPUTS["token_cls"]}}).encode()
    for extra, status in ((0, 200), (BODY_LIMIT, 413)):
        parts = [body[start : start + 100] for start in range(0, len(body), 100)] + [b" " * extra] * bool(extra)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        with closing(connection):
            connection.request("POST", NAMES["token_cls"], iter(parts), encode_chunked=True)
            assert connection.getresponse().status == status


def test_unknown_paths_and_methods(servers: dict[str, HttpServer]) -> None:
    server = servers["qa"]
    wrong = server.call("POST", NAMES["seq_cls"], b"{}")
    assert wrong.status == 404
    assert f"POST {NAMES['qa']}" in wrong.json["detail"]
    refused = server.call("GET", NAMES["qa"])
    assert (refused.status, refused.headers["allow"]) == (405, "POST")
    assert server.call("POST", "/health").status == 405
    assert server.call("GET", "/docs").status == 404
    for method, path in (("GET", "/health/"), ("POST", f"{NAMES['qa']}/")):
        elsewhere = server.call(method, path, headers={"Host": "elsewhere.example"})
        assert (elsewhere.status, elsewhere.headers.get("location")) == (404, None)


def test_odd_texts_have_answers(servers: dict[str, HttpServer]) -> None:
    texts = ["\x00\x01\x7f", "\u200b", "😀👨‍👩‍👧🇨🇳", "a" * 15_000, "�", "\u202eabc", "\r\n."]
    tags = servers["token_cls"].result({"text": texts})["tokens_label"]
    assert [len(item) for item in tags] == [len(text) for text in texts]
    assert len(servers["seq_cls"].result({"text": texts, "text_pair": texts[::-1]})["label"]) == len(texts)
    asked = servers["qa"].result({"question": texts, "context": texts[::-1]})
    for context, start, end, answer in zip(texts[::-1], asked["start"], asked["end"], asked["answer"], strict=True):
        assert context[start:end] == answer


def test_health_info_and_headers(servers: dict[str, HttpServer], bundles: dict[str, Path]) -> None:
    server = servers["qa"]
    assert server.call("GET", "/health").json == {"status": "ok"}
    assert server.call("HEAD", "/ready").status == 200
    info = server.call("GET", "/info").json
    assert (info["task"], info["path"], info["pairs"]) == ("qa", "models/ernie_qa", True)
    page = server.call("GET", "/")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["content-type"] == "text/html; charset=utf-8"


def test_a_slow_body_and_a_dropped_connection_harm_nobody(servers: dict[str, HttpServer]) -> None:
    server = servers["seq_cls"]
    head = f"POST {NAMES['seq_cls']} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n".encode()
    for sent in (head[:20], head, head + b'{"data": {"te'):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(sent)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head + b"{")
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
    assert len(server.result(data_of("seq_cls"))["label"]) == len(INPUTS["seq_cls"])


def test_clients_at_once_get_their_own_answers_and_share_batches(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    python = environment("simple_serving")
    texts = [f"{number}号{HARD[number % 6]}{number * number}"[:40] for number in range(120)]
    with serving(python, "token_cls", bundles["token_cls"], tmp_path / "log", "--max_wait_ms", 50) as server:
        alone = [answers_of("token_cls", server.result({"text": [text]}))[0] for text in texts[:20]]
        whole = answers_of("token_cls", server.result({"text": texts}))
        assert_same_answers("token_cls", whole[:20], alone)
        before = server.figures()
        with ThreadPoolExecutor(32) as pool:
            together = list(pool.map(lambda text: answers_of("token_cls", server.result({"text": text}))[0], texts))
        after = server.figures()
    assert_same_answers("token_cls", together, whole)

    def grown(name: str) -> float:
        return after[name] - before[name]

    assert grown('ernie_serving_requests_total{path="/models/ernie_ner",status="200"}') == len(texts)
    assert grown('ernie_serving_request_seconds_count{path="/models/ernie_ner"}') == len(texts)
    assert grown("ernie_serving_batch_requests_sum") >= len(texts)
    # How many meet depends on how fast the clients are; test_simple_serving_batcher.py makes requests meet.
    assert grown("ernie_serving_batch_requests_count") < len(texts)
    assert grown("ernie_serving_texts_total") == len(texts)
    assert after["ernie_serving_queue_length"] == 0


def test_a_full_queue_answers_503_and_gone_clients_leave_it(
    environment: Callable[[str], Path], slow_bundle: Path, tmp_path: Path
) -> None:
    python = environment("simple_serving")
    long, short = (json.dumps({"data": {"text": text}}).encode() for text in (LONG, "有人吗"))
    head = f"POST {NAMES['token_cls']} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(long)}\r\n\r\n".encode()
    with (
        serving(python, "token_cls", slow_bundle, tmp_path / "log", *LONG_OPTIONS) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        kept = pool.submit(server.post, long)
        wait_for(lambda: server.figures()["ernie_serving_queue_length"] == 1)
        full, ready = server.post(short), server.call("GET", "/ready")
        assert server.call("GET", "/health").status == 200
        assert not kept.done()
        for reply in (full, ready):
            assert (reply.status, reply.headers["retry-after"]) == (503, "1")
            assert "queue is full" in reply.json["detail"]
        assert len(kept.result().json["result"]["tokens_label"][0]) == len(LONG)
        assert server.post(short).status == 200
        with socket.create_connection(("127.0.0.1", server.port)) as leaving:
            leaving.sendall(head + long)
            wait_for(lambda: server.figures()["ernie_serving_queue_length"] == 1)
        gone = f'ernie_serving_requests_total{{path="{NAMES["token_cls"]}",status="499"}}'
        wait_for(lambda: gone in server.figures())
        assert server.post(short).status == 200
