"""Start SimpleServing's servers for tests and talk to them with the standard library."""

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answers import INPUTS, json_row
from servers import Server, free_ports, running_server
from tiny import ROOT

NAMES = {
    "seq_cls": "/models/ernie_cls",
    "token_cls": "/models/ernie_ner",
    "qa": "/models/ernie_qa",
    "multiple_choice": "/models/ernie_multiple_choice",
    "multi_label": "/models/cls_multi_label",
}
SCRIPTS = {
    **{task: f"deploy/simple_serving/server_{task}.py" for task in INPUTS},
    "multi_label": "multi_label/deploy/simple_serving/server.py",
}
HTTP_ERRORS = (OSError, http.client.HTTPException)


@dataclass(frozen=True)
class Reply:
    """A response: status, headers and body, which is JSON where there is any."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class HttpServer:
    """A running server of one task."""

    server: Server
    port: int
    task: str

    @property
    def url(self) -> str:
        """Where its page is."""
        return f"http://127.0.0.1:{self.port}/"

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read())

    def post(self, request: Any) -> Reply:
        """A JSON value to the model's path; bytes as they are."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        return self.call("POST", NAMES[self.task], body, {"Content-Type": "application/json"})

    def result(self, data: Mapping[str, Any], **parameters: Any) -> dict[str, Any]:
        """The result of a request that is answered."""
        reply = self.post({"data": data, "parameters": parameters} if parameters else {"data": data})
        assert reply.status == 200, reply.body.decode()
        return dict(reply.json["result"])

    def figures(self) -> dict[str, float]:
        """The samples of /metrics."""
        lines = self.call("GET", "/metrics").body.decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}


def is_ready(port: int) -> bool:
    """Whether a server takes requests on a port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except HTTP_ERRORS:
            return False


def is_open(port: int) -> bool:
    """Whether a server is there on a port, with or without a key."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status in (200, 401, 421)
        except HTTP_ERRORS:
            return False


@contextlib.contextmanager
def serving(
    python: Path,
    task: str,
    bundle: Path,
    log: Path,
    *options: str | int,
    port: int | None = None,
    descriptors: int | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[HttpServer]:
    """A server script in the environment of the deployment, ready; killed when the block ends.

    `descriptors`: as many as it may have at once. `env`: further variables.
    """
    port = port or free_ports(1)[0]
    limit = [] if descriptors is None else ["sh", "-c", f'ulimit -n {descriptors} && exec "$0" "$@"']
    command: Sequence[str | Path] = [
        *limit,
        python,
        ROOT / SCRIPTS[task],
        "--model_path",
        bundle,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        *map(str, options),
    ]
    with running_server(command, log, lambda: is_open(port), env=env) as server:
        yield HttpServer(server, port, task)


def data_of(task: str, inputs: Sequence[Any] | None = None) -> dict[str, Any]:
    """The `data` of a request for some inputs, the shared ones where None."""
    inputs = INPUTS[task] if inputs is None else inputs
    if task == "multiple_choice":
        rows = [json_row(task, item) for item in inputs]
        return {name: [row[name] for row in rows] for name in ("context", "question", "choices")}
    names = {"seq_cls": ("text", "text_pair"), "token_cls": ("text",), "qa": ("question", "context")}[task]
    columns = [[item] if isinstance(item, str) else list(item) for item in inputs]
    return {name: [row[index] for row in columns] for index, name in enumerate(names)}


def answers_of(task: str, result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A result in the fields of `Answer.fields`, as far as `assert_same_answers` looks at them."""
    if task == "seq_cls":
        return [
            {"label": label, "confidence": confidence}
            for label, confidence in zip(result["label_id"], result["confidence"], strict=True)
        ]
    if task in ("qa", "multiple_choice"):
        names = ("answer", "start", "end", "confidence") if task == "qa" else ("choice", "index", "confidence")
        return [dict(zip(names, row, strict=True)) for row in zip(*(result[name] for name in names), strict=True)]
    return [
        {
            "entities": [
                {
                    "text": item["entity"],
                    "type": item["label"],
                    "start": item["pos"][0],
                    "end": item["pos"][1] + 1,
                    "confidence": item["confidence"],
                }
                for item in entities
            ]
        }
        for entities in result["value"]
    ]
