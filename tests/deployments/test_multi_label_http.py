"""The HTTP service of a multi-label model: SimpleServing's fields, the bundle's thresholds, `prob_limit`, bad input."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from http_calls import HttpServer, serving
from label_sets import REQUESTS, TEXTS, Found, assert_same_sets, expected_sets
from tiny import ROOT

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.data.sample.reviews import LABELS

CLIENT = ROOT / "multi_label/deploy/simple_serving/client.py"

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def python(environment: Callable[[str], Path]) -> Path:
    return environment("simple_serving")


@pytest.fixture(scope="module")
def thresholds(multi_label_bundle: Path) -> tuple[float, ...]:
    return read_bundle(multi_label_bundle).info.thresholds


@pytest.fixture(scope="module")
def server(python: Path, multi_label_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    log = tmp_path_factory.mktemp("log") / "log"
    with serving(python, "multi_label", multi_label_bundle, log, "--num_threads", 2) as running:
        yield running


def sets_of(result: Mapping[str, Any]) -> list[Found]:
    """The labels of each text in a result."""
    pairs = zip(result["label"], result["confidence"], strict=True)
    return [dict(zip(labels, values, strict=True)) for labels, values in pairs]


def test_fp32_label_sets_are_predictors(
    server: HttpServer, multi_label_bundle: Path, thresholds: tuple[float, ...]
) -> None:
    expected = expected_sets(multi_label_bundle)
    assert_same_sets(sets_of(server.result({"text": TEXTS})), expected, thresholds)
    single = [sets_of(server.result({"text": text}))[0] for text in TEXTS[:12]]
    assert_same_sets(single, expected[:12], thresholds)


def test_int8_label_sets_are_predictors(
    python: Path, multi_label_bundle: Path, thresholds: tuple[float, ...], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with serving(python, "multi_label", multi_label_bundle, log, "--precision_mode", "int8") as running:
        got = [found for texts in REQUESTS for found in sets_of(running.result({"text": texts}))]
        assert running.server.stop() == 0
        assert not running.server.alive()
    assert_same_sets(got, expected_sets(multi_label_bundle, "int8"), thresholds)


def test_results_have_simple_servings_fields_and_more(server: HttpServer, thresholds: tuple[float, ...]) -> None:
    result = server.result({"text": TEXTS}, max_seq_len=128, batch_size=1)
    assert {len(labels) for labels in result["label"]} > {2, 4, 6}
    for index, labels in enumerate(result["label"]):
        assert all(type(label) is int for label in labels) and labels == sorted(labels)
        assert result["label_id"][index] == result["label_name"][index] == [LABELS[label] for label in labels]
        top = result["top"][index]
        assert len(top) >= 5
        assert {entry["label"] for entry in top if entry["chosen"]} == set(labels)
        for entry in top:
            assert entry["threshold"] == thresholds[entry["label"]]
            assert entry["chosen"] == (entry["confidence"] > entry["threshold"])
        assert [entry["confidence"] for entry in top] == sorted((entry["confidence"] for entry in top), reverse=True)


@pytest.mark.parametrize("limit", [0.3, 0.5, 0.62])
def test_prob_limit_takes_the_place_of_the_thresholds(
    server: HttpServer, multi_label_bundle: Path, limit: float
) -> None:
    result = server.result({"text": TEXTS}, prob_limit=limit)
    expected = expected_sets(multi_label_bundle, threshold=limit)
    assert_same_sets(sets_of(result), expected, (limit,) * len(LABELS))
    assert {entry["threshold"] for top in result["top"] for entry in top} == {limit}
    # The next request is answered with the bundle's own again.
    assert server.result({"text": TEXTS[:3]})["top"][0][0]["threshold"] != limit


def test_the_ends_of_prob_limit(server: HttpServer) -> None:
    assert server.result({"text": "快递"}, prob_limit=1)["label"] == [[]]
    assert server.result({"text": "快递"}, prob_limit=0)["label"] == [list(range(len(LABELS)))]
    assert server.result({"text": "快递"}, prob_limit=None) == server.result({"text": "快递"})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"data": {"text": ["a"]}, "parameters": {"prob_limit": 1.01}}, "prob_limit is 1.01"),
        ({"data": {"text": ["a"]}, "parameters": {"prob_limit": "0.5"}}, "prob_limit is '0.5'"),
        ({"data": {"text": ["a"]}, "parameters": {"prob_limit": True}}, "prob_limit is true"),
        (b'{"data": {"text": ["a"]}, "parameters": {"prob_limit": NaN}}', "NaN is no number in JSON"),
        (b'{"data": {"text": ["a"]}, "parameters": {"prob_limit": 1e999}}', "the number 1e999 is too large"),
        ({"data": {"text": ["a", " "]}}, "data.text[1] is an empty text"),
        ({"data": {"text": ["a"], "text_pair": ["b"]}}, "reads single texts"),
    ],
)
def test_bad_input_is_422_with_the_reason(server: HttpServer, body: Any, reason: str) -> None:
    reply = server.post(body)
    assert (reply.status, reason in reply.json["detail"]) == (422, True), reply.json
    assert server.result({"text": "快递"})["label"]


def test_the_page_knows_the_task(server: HttpServer) -> None:
    info = server.call("GET", "/info").json
    assert (info["task"], info["path"], info["pairs"]) == ("multi_label", "models/cls_multi_label", False)
    assert len(info["examples"]) == 3 and len(info["labels"]) == len(LABELS)
    assert b"multi_label" in server.call("GET", "/view.js").body


def test_the_client_script(server: HttpServer, python: Path) -> None:
    def client(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [python, CLIENT, "--url", f"{server.url}models/cls_multi_label", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert client().stdout.count("confidence: ") == 3
    every = client("--prob_limit", "0", "--text", "快递").stdout
    assert every.startswith(f"text: 快递\nlabel: {', '.join(LABELS)}\nconfidence: 0.")
    assert client("--prob_limit", "1", "--text", "快递").stdout.splitlines()[1:3] == ["label: (none)", "confidence: -"]
    refused = client("--prob_limit", "3")
    assert refused.returncode == 2 and "--prob_limit is 3.0: it must lie between 0 and 1" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_bundle_of_another_task_is_refused(python: Path, bundle: Any) -> None:
    command = [python, ROOT / "multi_label/deploy/simple_serving/server.py", "--model_path", bundle.directory]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "a bundle for the task 'seq_cls', this server's is 'multi_label'" in done.stderr


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine (apt-get install chromium)")
def test_the_page_shows_the_labels_before_the_others(server: HttpServer, multi_label_bundle: Path) -> None:
    from playwright.sync_api import sync_playwright

    [answer] = expected_sets(multi_label_bundle)[:1]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(server.url)
        page.wait_for_selector("#send:not([disabled])")
        page.fill("#first", TEXTS[0])
        page.click("#send")
        page.wait_for_selector("#result:not([hidden])")
        names = {
            kind: page.locator(f"#answer li{kind} .name > span:first-child").all_inner_texts()
            for kind in (".top", ":not(.top)")
        }
        browser.close()
    assert {name.split()[0] for name in names[".top"]} == set(answer.names)
    assert len(names[".top"]) + len(names[":not(.top)"]) >= 5
    assert not {name.split()[0] for name in names[":not(.top)"]} & set(answer.names)
