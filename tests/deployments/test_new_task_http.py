"""A task that is registered by a module of its own is served over HTTP as the toolkit's own tasks are."""

from collections.abc import Callable
from pathlib import Path

import http_calls
import pytest
from http_calls import HttpServer, is_open
from servers import free_ports, running_server
from similarity_task import Similarity, bundle_of_new_model
from tiny import ROOT

from ernie_toolkit.inference import Predictor


def test_a_registered_task_is_served(
    environment: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = environment("simple_serving")
    bundle = bundle_of_new_model(tmp_path / "export", tmp_path)
    pairs = Similarity.examples_for("pair")
    expected = [answer.fields()["score"] for answer in Predictor(bundle).predict(pairs)]
    monkeypatch.setitem(http_calls.NAMES, Similarity.name, f"/{Similarity.service_path}")
    (port,) = free_ports(1)
    script = ROOT / "tests" / "support" / "similarity_task.py"
    command = [python, script, "--model_path", bundle, "--port", str(port)]
    with running_server(command, tmp_path / "log", lambda: is_open(port)) as server:
        asked = HttpServer(server, port, Similarity.name)
        result = asked.result({"text": [pair[0] for pair in pairs], "text_pair": [pair[1] for pair in pairs]})
        assert result["score"] == pytest.approx(expected, abs=1e-4)
        refused = asked.post({"data": {"text": ["甲"]}})
        assert refused.status == 422 and "text_pair" in refused.json["detail"]
        about = asked.call("GET", "/info").json
        assert (about["task"], about["fields"]) == (Similarity.name, ["text", "text_pair"])
