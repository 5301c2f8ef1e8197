"""The HTTP service under load: no error, no lost or crossed answer, memory that stays flat.

    python benchmarks/serving_soak.py --model_path best_models/tnews/export
    python benchmarks/serving_soak.py --model_path best_models/tnews/export --restart
    python benchmarks/serving_soak.py --model_path best_models/tnews/export --seconds 900 --large 0.02

Starts the bundle's server of deploy/simple_serving, with this Python or that of --python. --clients threads keep a
connection each and ask, one request after the other, for one to four inputs drawn from a set that was answered
before; each answer is compared with the one given then. --malformed of the requests are broken in one of several
ways and must be refused for what they are. Prints the requests by status, how many answers were wrong, and how much
the memory of the server's processes grew from the end of --warm_up on. --large of the requests have a hundred long
texts each, and their answers are compared too. With --restart the server is killed (SIGKILL)
in mid-load and started again, several times; well-formed requests are then asked by the client that the toolkit ships
(`serving.client.post`), which tries again until it is answered. Exit code 1 where an answer was wrong or lost, or a
status unexpected.
"""

import contextlib
import dataclasses
import http.client
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import BundleInfo, read_bundle
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.inference.engines.base import PRECISIONS
from ernie_toolkit.simple_serving.client import ServerError, post
from ernie_toolkit.tasks import TASKS

ROOT = Path(__file__).resolve().parents[1]
INPUTS = 200
RETRIES = 40
LOST_CONNECTION = (OSError, http.client.HTTPException)
# What belongs to one input in a result, by task, and the largest difference of a confidence that shares a batch.
FIELDS = {
    "seq_cls": ("label", "confidence"),
    "token_cls": ("value", "tokens_label"),
    "qa": ("answer", "start", "end"),
    "multi_label": ("label", "confidence"),
}
SCRIPTS = {
    "multi_label": "multi_label/deploy/simple_serving/server.py"
}  # of the others, deploy/simple_serving has them
# Texts of a large request, and how often each repeats its words: those that are read in windows have fewer.
LARGE_TEXTS = 100
REPEATS = {"seq_cls": 25, "multi_label": 60, "token_cls": 12, "qa": 12}
MINUTES = (1, 5, 10, 15)
TOLERANCE = 1e-3
SUBJECTS = ("记者", "临江公司", "白埠市", "球队", "工程师秦昭岫", "电动车", "游客", "银行")
VERBS = ("宣布", "见到了", "取消", "打算建设", "提前公布", "再次参观", "申请", "研究")
OBJECTS = (
    "新的大桥",
    "第三季度的成绩",
    "枫坪村的学校",
    "下个月的比赛",
    "信用卡",
    "一座博物馆",
    "出口数据",
    "山里的茶园",
)
MALFORMED: tuple[tuple[bytes, int], ...] = (
    (b'{"data": {"text": [', 422),
    (b'{"data": {"texts": ["a"]}}', 422),
    (b'{"data": {"text": [1], "question": [2], "context": [3]}}', 422),
    (b'{"data": {"text": "a", "text_pair": "b", "question": "c", "context": "d"}, "extra": 1}', 422),
    (b'{"data": {"text": "", "text_pair": "", "question": "", "context": ""}}', 422),
    (b"\xff\xfe", 422),
    (b" " * (1 << 21), 413),
)


@dataclass
class Tally:
    """What the clients saw; `lost` counts requests that were never answered, `retried` those asked again."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    asked: int = 0
    answered: int = 0
    retried: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Server:
    """The server script as a process that can be killed and started again on its port."""

    def __init__(self, command: list[str], port: int) -> None:
        self._command = command
        self._port = port
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready. Raises ToolkitError where it ends instead."""
        self.process = subprocess.Popen(self._command, stderr=subprocess.PIPE, start_new_session=True)
        while not ready(self._port):
            if self.process.poll() is not None:
                assert self.process.stderr is not None
                raise ToolkitError(f"the server ended: {self.process.stderr.read().decode()[-300:]}")
            time.sleep(0.05)
        # Its log must not fill the pipe.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()  # type: ignore[union-attr]

    def stop(self, number: int) -> int:
        """Send a signal and wait for the end; gives the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def memory(self) -> float:
        """Resident memory of its processes that serve, in MB."""
        assert self.process is not None
        pid = self.process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in [str(pid), *workers])
        return pages * 4096 / 1e6


def ready(port: int) -> bool:
    """Whether a server takes requests on a port."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except LOST_CONNECTION:
            return False


def make_inputs(info: BundleInfo, seed: int) -> list[dict[str, str]]:
    """Inputs of the bundle's kind, all different, of many lengths."""
    drawn = random.Random(seed)

    def text() -> str:
        parts = [
            f"{drawn.choice(SUBJECTS)}{drawn.choice(VERBS)}{drawn.choice(OBJECTS)}"
            for _ in range(drawn.choice((1, 1, 2, 4)))
        ]
        return "，".join(parts) + f"{drawn.randrange(10**6)}。"

    if info.task == "qa":
        return [
            {"question": f"{drawn.choice(SUBJECTS)}{drawn.choice(VERBS)}什么？", "context": text()}
            for _ in range(INPUTS)
        ]
    names = ("text", "text_pair") if info.text_format in ("pair", "keywords") else ("text",)
    return [{name: text() for name in names} for _ in range(INPUTS)]


def data_of(inputs: list[dict[str, str]]) -> dict[str, list[str]]:
    """The `data` of a request."""
    return {name: [item[name] for item in inputs] for name in inputs[0]}


def rows_of(task: str, result: dict[str, Any]) -> list[list[Any]]:
    """A result's fields, for each input."""
    return [list(row) for row in zip(*(result[name] for name in FIELDS[task]), strict=True)]


def same(one: Any, other: Any) -> bool:
    """Equal, numbers up to what sharing a batch changes."""
    if isinstance(one, float):
        return isinstance(other, float) and abs(one - other) <= TOLERANCE
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


class Client:
    """One thread's connection, and what it asks; a patient one asks again where the connection breaks or on 503."""

    def __init__(self, port: int, path: str, patient: bool, tally: Tally) -> None:
        self._port, self._path, self._patient, self._tally = port, path, patient, tally
        self._connection: http.client.HTTPConnection | None = None

    def post(self, data: dict[str, list[str]]) -> tuple[int, bytes]:
        """A request's status and answer, by the toolkit's own client; 0 and the reason where it gives up."""

        def on_retry(reason: str) -> None:
            with self._tally.lock:
                self._tally.retried += 1

        try:
            url = f"http://127.0.0.1:{self._port}{self._path}"
            return 200, json.dumps({"result": post(url, data, retries=RETRIES, on_retry=on_retry)}).encode()
        except ServerError as error:
            return 0, str(error).encode()

    def ask(self, body: bytes, give_up: threading.Event) -> tuple[int, bytes]:
        """A request's status and answer, over a connection that is kept."""
        while not give_up.is_set():
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
                self._connection.request("POST", self._path, body)
                response = self._connection.getresponse()
                answer = response.read()
                if response.will_close:
                    self.close()
                if response.status != 503 or not self._patient:
                    return response.status, answer
            except LOST_CONNECTION as error:
                self.close()
                if not self._patient:
                    return 0, repr(error).encode()
            with self._tally.lock:
                self._tally.retried += 1
            time.sleep(0.1)
        return 0, b"no answer"

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(frozen=True)
class Load:
    """What the clients ask for, and the answers they must get."""

    port: int
    task: str
    inputs: list[dict[str, str]]
    expected: list[list[Any]]
    malformed: float
    patient: bool
    large: float = 0.0
    large_data: dict[str, list[str]] = field(default_factory=dict)
    large_expected: list[list[Any]] = field(default_factory=list)


def client_thread(load: Load, seed: int, stop: threading.Event, give_up: threading.Event, tally: Tally) -> None:
    """Ask until `stop`; a request that was begun is finished."""
    drawn = random.Random(seed)
    client = Client(load.port, f"/{TASKS[load.task].service_path}", load.patient, tally)
    while not stop.is_set():
        chosen = drawn.sample(range(len(load.inputs)), drawn.choice((1, 1, 1, 2, 4)))
        data, malformed = data_of([load.inputs[row] for row in chosen]), drawn.random() < load.malformed
        answers = [load.expected[row] for row in chosen]
        if drawn.random() < load.large:
            data, answers, malformed = load.large_data, load.large_expected, False
        body, expected = drawn.choice(MALFORMED) if malformed else (json.dumps({"data": data}).encode(), 200)
        with tally.lock:
            tally.asked += 1
        # The toolkit's client sends no malformed requests, and opens a connection for each.
        by_toolkit = load.patient and not malformed
        status, answer = client.post(data) if by_toolkit else client.ask(body, give_up)
        good = status != 200 or same(rows_of(load.task, json.loads(answer)["result"]), answers)
        with tally.lock:
            tally.statuses[str(status or "no answer")] += 1
            tally.answered += status != 0
            if status != expected:
                tally.unexpected.append(f"{status} for {expected}: {answer[:200]!r}")
            if not good:
                tally.wrong.append(f"{[load.inputs[row] for row in chosen]}: {answer[:300]!r}")
    client.close()


def with_large(load: Load, url: str, share: float) -> Load:
    """The load with large requests among the others; the first of them says what they are answered."""
    texts = [
        {name: text * (1 if name == "question" else REPEATS[load.task]) for name, text in item.items()}
        for item in load.inputs[:LARGE_TEXTS]
    ]
    answers = rows_of(load.task, post(url, data_of(texts), timeout=300))
    return dataclasses.replace(load, large=share, large_data=data_of(texts), large_expected=answers)


@contextlib.contextmanager
def clients(load: Load, count: int, tally: Tally) -> Iterator[None]:
    """Threads that ask while the block runs; afterwards each has the answer to its last request."""
    stop, give_up = threading.Event(), threading.Event()
    threads = [
        threading.Thread(target=client_thread, args=(load, seed, stop, give_up, tally), daemon=True)
        for seed in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
        give_up.set()


def soak(server: Server, load: Load, args: Any, tally: Tally) -> dict[str, float]:
    """Load without a break; memory after warming up and at the end."""
    with clients(load, args.clients, tally):
        time.sleep(args.warm_up)
        memory, at_minutes = [server.memory()], dict[str, float]()
        started = tally.answered, time.monotonic()
        while time.monotonic() - started[1] < args.seconds:
            time.sleep(1)
            memory.append(server.memory())
            for minutes in MINUTES:
                if time.monotonic() - started[1] >= 60 * minutes:
                    at_minutes.setdefault(f"memory after {minutes} min, MB", memory[-1])
        rate = (tally.answered - started[0]) / (time.monotonic() - started[1])
    half = len(memory) // 2
    return {
        **at_minutes,
        "highest memory, MB": max(memory),
        "requests a second": rate,
        "memory after warming up, MB": memory[0],
        "memory growth, MB": memory[-1] - memory[0],
        "of that in the second half, MB": memory[-1] - memory[half],
    }


def restart(server: Server, load: Load, args: Any, tally: Tally) -> dict[str, float]:
    """Load while the server is killed and started again."""
    started = time.monotonic()
    with clients(load, args.clients, tally):
        for _ in range(args.kills):
            time.sleep(args.seconds / (args.kills + 1))
            server.stop(signal.SIGKILL)
            time.sleep(1)
            server.start()
        time.sleep(args.seconds / (args.kills + 1))
    return {"kills": args.kills, "requests a second": tally.answered / (time.monotonic() - started)}


def main() -> None:
    """Measure and print."""
    parser = OneLineParser(prog="serving_soak.py", description=__doc__)
    parser.add_argument("--model_path", type=Path, required=True, help="bundle")
    parser.add_argument("--python", default=sys.executable, help="Python of the server (default: this one)")
    parser.add_argument("--clients", type=int, default=32, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60, help="(default: %(default)s)")
    parser.add_argument("--warm_up", type=float, default=10, help="seconds before memory is read (%(default)s)")
    parser.add_argument("--malformed", type=float, default=0.01, help="share of requests (default: %(default)s)")
    parser.add_argument("--large", type=float, default=0, help="share of large requests (default: none)")
    parser.add_argument("--precision_mode", default="fp32", choices=PRECISIONS)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--restart", action="store_true", help="kill the server and start it again meanwhile")
    parser.add_argument("--kills", type=int, default=3, help="with --restart (default: %(default)s)")
    args = parser.parse_args()
    with exit_on_toolkit_error(parser.prog):
        raise SystemExit(run(args))


def run(args: Any) -> int:
    """Start the server, load it, print a table; gives the exit code."""
    info = read_bundle(args.model_path).info
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [args.python, str(ROOT / SCRIPTS.get(info.task, f"deploy/simple_serving/server_{info.task}.py"))]
    command += ["--model_path", str(args.model_path), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--precision_mode", args.precision_mode, "--workers", str(args.workers)]
    server = Server(command, port)
    try:
        server.start()
        inputs = make_inputs(info, seed=1)
        url = f"http://127.0.0.1:{port}/{TASKS[info.task].service_path}"
        expected = [rows_of(info.task, post(url, data_of([item])))[0] for item in inputs]
        load = Load(port, info.task, inputs, expected, args.malformed, args.restart)
        if args.large:
            load = with_large(load, url, args.large)
        tally = Tally()
        figures = (restart if args.restart else soak)(server, load, args, tally)
        code = server.stop(signal.SIGTERM)
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop(signal.SIGKILL)
    figures |= {"requests": tally.asked, **{f"  status {key}": value for key, value in sorted(tally.statuses.items())}}
    figures |= {"lost": tally.asked - tally.answered, "wrong answers": len(tally.wrong), "asked again": tally.retried}
    figures |= {"unexpected statuses": len(tally.unexpected), "exit code on SIGTERM": code}
    for name, value in figures.items():
        print(f"{name:<32}{value:>12.1f}" if isinstance(value, float) else f"{name:<32}{value:>12}")
    for line in (tally.wrong + tally.unexpected)[:5]:
        print(line)
    return int(bool(tally.wrong or tally.unexpected or tally.asked != tally.answered or code))


if __name__ == "__main__":
    main()
