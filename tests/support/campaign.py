"""Thousands of mixed requests to a server: right ones, broken ones, odd ones, cut off and slow, beside idle sockets.

    python tests/support/campaign.py --python .venvs/simple_serving/bin/python --requests 20000 TASK=BUNDLE ...

Each answer must belong to its request and have a status that the request may have, or 503. `Squatters` hold idle and
slow connections open meanwhile. The same seed gives each thread the same requests.
"""

import argparse
import json
import random
import resource
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from http_calls import NAMES, HttpServer, serving
from raw_http import TIMEOUT, Answer, Squatters, Wire, post_bytes, raised_descriptors

SUBJECTS = ("记者", "临江公司", "白埠市", "球队", "工程师秦昭岫", "电动车", "游客", "银行")
VERBS = ("宣布", "见到了", "取消", "打算建设", "提前公布", "再次参观", "申请", "研究")
FIELDS = {
    "seq_cls": ("text", "text_pair"),
    "token_cls": ("text",),
    "qa": ("question", "context"),
    "multiple_choice": ("context", "question", "choices"),
    "multi_label": ("text",),
}
# What belongs to one input in a result: enough to tell whose answer it is.
ANSWERS = {
    "seq_cls": ("confidence", "label"),
    "token_cls": ("value", "tokens_label"),
    "qa": ("question", "context", "answer", "confidence"),
    "multiple_choice": ("choice", "index", "probabilities"),
    "multi_label": ("label", "confidence"),
}
TOLERANCE = 1e-4


@dataclass
class Tally:
    """What the clients saw. `lost`: requests on fresh connections that got no answer."""

    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Question:
    """An input of a task with the answer that it was given alone."""

    body: bytes
    expected: list[Any]


def make_inputs(task: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Different inputs of a task, of several lengths; choices are two to four texts."""
    drawn = random.Random(seed)

    def text() -> str:
        parts = [drawn.choice(SUBJECTS) + drawn.choice(VERBS) for _ in range(drawn.choice((1, 2, 4)))]
        return "，".join(parts) + f"{drawn.randrange(10**6)}。"

    def value(name: str) -> Any:
        return [text() for _ in range(drawn.choice((2, 3, 4)))] if name == "choices" else text()

    return [{name: value(name) for name in FIELDS[task]} for _ in range(count)]


def row_of(task: str, body: bytes) -> list[Any]:
    """What a result says of its only input."""
    result = json.loads(body)["result"]
    return [result[name][0] for name in ANSWERS[task]]


def same(one: Any, other: Any) -> bool:
    """Equal, numbers up to what sharing a batch changes."""
    if isinstance(one, float):
        return isinstance(other, float) and abs(one - other) <= TOLERANCE
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


def ask_all(server: HttpServer, count: int = 60) -> list[Question]:
    """Inputs, each asked alone."""
    questions = []
    for item in make_inputs(server.task, count, seed=5):
        body = json.dumps({"data": {name: [text] for name, text in item.items()}}, ensure_ascii=False).encode()
        reply = server.post(body)
        assert reply.status == 200, reply.body
        questions.append(Question(body, row_of(server.task, reply.body)))
    return questions


def mutated(body: bytes, drawn: random.Random) -> bytes:
    """A body with some bytes changed, left out or put in."""
    changed = bytearray(body)
    for _ in range(drawn.randint(1, 4)):
        place = drawn.randrange(len(changed))
        action = drawn.randrange(3)
        if action == 0:
            changed[place] = drawn.randrange(256)
        elif action == 1:
            del changed[place : place + drawn.randint(1, 8)]
        else:
            changed[place:place] = drawn.choice(
                [b"\xff", b'"', b"[" * 3000, b"1e999", b"\\ud800", b"null", b"{}", b","]
            )
        if not changed:
            return b"x"
    return bytes(changed)


class Caller:
    """One thread's requests."""

    def __init__(self, server: HttpServer, questions: Sequence[Question], seed: int, tally: Tally) -> None:
        self._task, self._path = server.task, NAMES[server.task]
        self._questions, self._tally = questions, tally
        self._drawn = random.Random(seed)
        self._port = server.port
        self._wire = Wire(server.port)
        self._kinds: dict[str, tuple[Callable[[], None], int]] = {
            "valid": (self._valid, 40),
            "mutated": (self._mutated, 20),
            "broken": (self._broken, 10),
            "elsewhere": (self._elsewhere, 8),
            "framing": (self._framing, 8),
            "odd headers": (self._odd, 5),
            "pipelined": (self._pipelined, 4),
            "cut off": (self._cut_off, 3),
            "slow": (self._slow, 1),
            "too large": (self._too_large, 1),
        }

    def run(self, requests: int) -> None:
        """Send so many requests of all kinds."""
        names = list(self._kinds)
        weights = [weight for _, weight in self._kinds.values()]
        for _ in range(requests):
            [kind] = self._drawn.choices(names, weights)
            with self._tally.lock:
                self._tally.kinds[kind] += 1
            self._kinds[kind][0]()
        self._wire.close()

    def _question(self) -> Question:
        return self._drawn.choice(self._questions)

    def _note(
        self, what: str, answer: Answer | None, allowed: Sequence[int], expected: list[Any] | None = None
    ) -> None:
        tally = self._tally
        with tally.lock:
            if answer is None:
                tally.lost.append(what)
                return
            tally.statuses[answer.status] += 1
            if answer.status not in (*allowed, 503):
                tally.unexpected.append(f"{what}: {answer.status} {answer.body[:200]!r}")
        if answer.status == 200 and expected is not None:
            got = row_of(self._task, answer.body)
            if not same(got, expected):
                with tally.lock:
                    tally.wrong.append(f"{what}: {str(got)[:200]} instead of {str(expected)[:200]}")

    def _ask(
        self,
        what: str,
        parts: Sequence[bytes],
        allowed: Sequence[int],
        expected: list[Any] | None = None,
        pause: float = 0,
    ) -> None:
        found = self._wire.exchange(parts, pause=pause)
        self._note(what, found[0] if found else None, allowed, expected)

    def _valid(self) -> None:
        question = self._question()
        if self._drawn.random() < 0.2:
            half = len(question.body) // 2
            chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (question.body[:half], question.body[half:])]
            head = post_bytes(self._path, b"", "Transfer-Encoding: chunked", length=False)
            self._ask("chunked", [head + b"".join(chunks) + b"0\r\n\r\n"], [200], question.expected)
        else:
            self._ask("valid", [post_bytes(self._path, question.body)], [200], question.expected)

    def _mutated(self) -> None:
        self._ask("mutated", [post_bytes(self._path, mutated(self._question().body, self._drawn))], [200, 422])

    def _broken(self) -> None:
        body = self._drawn.choice(
            [
                b"",
                b"{",
                b"[]",
                b'{"data": {}}',
                b'{"data": {"text": [""], "question": "", "context": ""}}',
                b"\xff",
                b"[" * 50_000,
                b'{"data": {"text": [1], "question": [2], "context": [3]}}',
                b"NaN",
                b'{"data": 1e999}',
                b'{"data": {"text": "\\ud800", "text_pair": "a", "question": "a", "context": "\\udfff"}}',
            ]
        )
        self._ask("broken", [post_bytes(self._path, body)], [422])

    def _elsewhere(self) -> None:
        method, path, allowed = self._drawn.choice(
            [
                ("GET", self._path, 405),
                ("PUT", self._path, 405),
                ("DELETE", "/health", 405),
                ("GET", "/no", 404),
                ("POST", "/models/other", 404),
                ("OPTIONS", self._path, 405),
                ("GET", "/health", 200),
                ("GET", "/metrics", 200),
                ("GET", "/ready", 200),
                ("GET", "/%00%ff/..%2f", 404),
                ("BREW", "/", 405),
                ("GET", "http://elsewhere.example/", 404),
                ("GET", "/info?a=b", 200),
            ]
        )
        self._ask(f"{method} {path}", [f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()], [allowed])

    def _framing(self) -> None:
        body, path = self._question().body, self._path
        request = self._drawn.choice(
            [
                post_bytes(path, b"0\r\n\r\n", "Transfer-Encoding: chunked"),
                post_bytes(path, body, f"Content-Length: {len(body) + 1}"),
                post_bytes(path, body, "Content-Length: -1", length=False),
                post_bytes(path, body, "Content-Length: 1_0", length=False),
                post_bytes(path, body, "X-Folded: a\r\n b"),
                post_bytes(path, body).replace(b"\r\n", b"\n"),
                post_bytes(path, b"0\r\n\r\n", "Transfer-Encoding: chunked", version="1.0", length=False),
                post_bytes(path, b"zz\r\n", "Transfer-Encoding: chunked", length=False),
                post_bytes(path, body, "Transfer-Encoding : chunked"),
                post_bytes(path, body, "Host: other"),
                post_bytes(path, body, "X-Null: a\x00b"),
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 30 + b"\r\n\r\n",
                b"GET / HTTP/1.1\r\n\r\n",
                b"GET /\r\nX: y\r\n\r\n",
                post_bytes(path, body, "X-Long: " + "a" * 300_000),
            ]
        )
        self._ask(f"framing {request[:60]!r}", [request], [400, 431, 501])
        self._wire.close()

    def _odd(self) -> None:
        question = self._question()
        header, allowed = self._drawn.choice(
            [
                ("Expect: 100-continue", 200),
                ("Connection: Upgrade\r\nUpgrade: websocket", 200),
                ("X: \xff\xfe", 200),
                ("Origin: https://elsewhere.example\r\nContent-Type: text/plain", 415),
                ("Origin: null\r\nContent-Type: application/x-www-form-urlencoded", 415),
                ("Origin: http://localhost\r\nContent-Type: text/plain", 200),
                ("Origin: https://elsewhere.example\r\nContent-Type: application/json; charset=utf-8", 200),
                ("Sec-Fetch-Site: cross-site", 415),
                ("Connection: close", 200),
                ("Authorization: Basic !!!", 200),
            ]
        )
        expected = question.expected if allowed == 200 else None
        self._ask(header, [post_bytes(self._path, question.body, header)], [allowed], expected)

    def _pipelined(self) -> None:
        questions = [self._question() for _ in range(self._drawn.randint(2, 5))]
        sent = b"".join(post_bytes(self._path, question.body) for question in questions)
        found = self._wire.exchange([sent], answers=len(questions))
        for number, question in enumerate(questions):
            self._note("pipelined", found[number] if number < len(found) else None, [200], question.expected)

    def _cut_off(self) -> None:
        request = post_bytes(self._path, self._question().body)
        with socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT) as leaving:
            leaving.sendall(request[: self._drawn.randrange(1, len(request))])
            if self._drawn.random() < 0.5:  # reset rather than closed
                leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    def _slow(self) -> None:
        question = self._question()
        request = post_bytes(self._path, question.body)
        step = len(request) // 8 + 1
        parts = [request[start : start + step] for start in range(0, len(request), step)]
        self._ask("slow", parts, [200], question.expected, pause=0.1)

    def _too_large(self) -> None:
        size = self._drawn.choice([(1 << 20) + 1, 3 << 20, 12 << 20])
        self._ask(f"{size} bytes", [post_bytes(self._path, b" " * size)], [413])
        self._wire.close()


def memory(server: HttpServer) -> float:
    """Resident memory of a server's processes, in MB."""
    pid = server.server.process.pid
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in [str(pid), *workers])
    return pages * resource.getpagesize() / 1e6


def campaign(server: HttpServer, requests: int, threads: int, idle: int, slow: int) -> tuple[Tally, int]:
    """What came of so many requests from so many threads, and how many squatters were closed meanwhile."""
    questions, tally = ask_all(server), Tally()
    callers = [
        threading.Thread(
            target=Caller(server, questions, seed, tally).run, args=(-(-requests // threads),), daemon=True
        )
        for seed in range(threads)
    ]
    with Squatters(server.port, idle, slow) as squatters:
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    return tally, squatters.closed


def report(task: str, server: HttpServer, run: Mapping[str, Any], tally: Tally) -> None:
    """Print what came of it."""
    output = server.server.output()
    print(f"{task}: {sum(tally.kinds.values())} requests, {sum(tally.statuses.values())} answers")
    print("  kinds:", dict(tally.kinds.most_common()))
    print("  statuses:", dict(sorted(tally.statuses.items())))
    print(f"  wrong {len(tally.wrong)}, unexpected {len(tally.unexpected)}, lost {len(tally.lost)}")
    for line in (tally.wrong + tally.unexpected + tally.lost)[:5]:
        print("   ", line)
    print("  " + ", ".join(f"{name} {value}" for name, value in run.items()))
    print(f"  log: {len(output.splitlines())} lines, {output.count('Traceback')} tracebacks", flush=True)


def main() -> None:
    """Run campaigns on several servers, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", metavar="TASK=BUNDLE")
    parser.add_argument("--python", type=Path, required=True, help="of the server")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=48)
    parser.add_argument("--idle", type=int, default=1100)
    parser.add_argument("--slow", type=int, default=50)
    parser.add_argument("--descriptors", type=int, default=1024)
    parser.add_argument("--log", type=Path, default=Path("campaign.log"))
    args = parser.parse_args()
    for pair in args.bundles:
        task, _, bundle = pair.partition("=")
        with (
            raised_descriptors(8192),
            serving(args.python, task, Path(bundle), args.log, descriptors=args.descriptors) as server,
        ):
            before, started = memory(server), time.monotonic()
            tally, closed = campaign(server, args.requests, args.threads, args.idle, args.slow)
            seconds = time.monotonic() - started
            at_end = memory(server)
            time.sleep(5)
            run = {
                "seconds": round(seconds),
                "MB at the start": round(before),
                "at the end": round(at_end),
                "5 s later": round(memory(server)),
                "squatters closed": closed,
            }
            report(task, server, run, tally)
            refused = {name: value for name, value in server.figures().items() if "refused_total" in name}
            print("  refused:", refused, "exit code:", server.server.stop(), flush=True)


if __name__ == "__main__":
    main()
