"""The page of the HTTP service in headless Chromium: what a person types, sees, and never loads from elsewhere."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from answers import HARD, expected_answers
from http_calls import HttpServer, serving

from ernie_toolkit.bundle import read_bundle

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine (apt-get install chromium)")
WIDTHS = {"desktop": (1100, 800), "phone": (375, 740)}
SCRIPT = "<script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">记者在枫坪村"


@pytest.fixture(scope="module")
def servers(
    environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, HttpServer]]:
    python, logs = environment("simple_serving"), tmp_path_factory.mktemp("logs")
    with ExitStack() as stack:
        yield {
            task: stack.enter_context(serving(python, task, bundle, logs / task)) for task, bundle in bundles.items()
        }


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Chromium's own sandbox needs a kernel feature that containers often lack.
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=list(WIDTHS))
def page(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    """An empty page in a window of a width; what it asked for and complained about is checked at the end."""
    width, height = WIDTHS[request.param]
    page = browser.new_page(viewport={"width": width, "height": height})
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda item: requests.append(item.url))
    page.on("console", lambda item: complaints.append(item.text))
    page.on("pageerror", lambda item: complaints.append(str(item)))
    yield page
    origin = "/".join(page.url.split("/")[:3])
    assert requests and all(url.startswith(origin) for url in requests)
    assert not [text for text in complaints if "422" not in text], complaints
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def ask(page: Any, server: HttpServer, first: str, second: str | None = None) -> None:
    """Open the page, type, predict by the keyboard, wait for what comes."""
    page.goto(server.url)
    page.locator("#send:enabled").wait_for()
    page.fill("#first", first)
    if second is not None:
        page.fill("#second", second)
    page.locator("#first").press("Control+Enter")
    page.locator("#result:visible, #error:visible").first.wait_for()


def test_labels_with_their_bars(page: Any, servers: dict[str, HttpServer], bundles: dict[str, Path]) -> None:
    from ernie_toolkit.inference import Predictor

    ask(page, servers["seq_cls"], "怎么还款", "如何还款")
    [answer] = Predictor(bundles["seq_cls"], num_threads=1).predict([("怎么还款", "如何还款")])
    first = page.locator("#answer li").first
    assert answer.name in first.inner_text() and f"{100 * answer.confidence:.1f}%" in first.inner_text()
    shares = [
        item.bounding_box()["width"] / item.locator("xpath=..").bounding_box()["width"]
        for item in page.locator("#answer .fill").all()
    ]
    assert len(shares) == 2 and shares[0] == pytest.approx(answer.confidence, abs=0.02)


def test_entities_are_marked_where_they_stand(
    page: Any, servers: dict[str, HttpServer], bundles: dict[str, Path]
) -> None:
    from answers import INPUTS

    for number in (0, 2):
        text = str(INPUTS["token_cls"][number])
        ask(page, servers["token_cls"], text)
        expected = expected_answers(bundles["token_cls"], "token_cls")[number]["entities"]
        marks = page.locator("#answer mark").evaluate_all("items => items.map(item => item.firstChild.textContent)")
        assert marks == [item["text"] for item in expected]


def test_the_answer_is_highlighted_in_its_context(
    page: Any, servers: dict[str, HttpServer], bundles: dict[str, Path]
) -> None:
    from ernie_toolkit.inference import Predictor

    question, context = "总部在哪里？", "😀临江公司的总部设在白埠市东部。"
    ask(page, servers["qa"], question, context)
    [answer] = Predictor(bundles["qa"], num_threads=1).predict([(question, context)])
    whole = page.locator("#answer .context")
    assert whole.text_content() == context
    assert whole.locator("mark").text_content() == answer.text
    before = whole.evaluate("item => item.firstChild.nodeType === 3 ? item.firstChild.textContent : ''")
    assert before == context[: answer.start]


def test_the_chosen_answer_stands_among_its_choices(
    page: Any, servers: dict[str, HttpServer], bundles: dict[str, Path]
) -> None:
    from ernie_toolkit.inference import Predictor

    given = ("男：我是一名医生。", "", "司机", "医生", "教师")
    page.goto(servers["multiple_choice"].url)
    page.locator("#send:enabled").wait_for()
    for place, text in zip(("first", "second", "third"), (*given[:2], "\n".join(given[2:])), strict=True):
        page.fill(f"#{place}", text)
    page.locator("#third").press("Control+Enter")
    page.locator("#result:visible, #error:visible").first.wait_for()
    [answer] = Predictor(bundles["multiple_choice"], num_threads=1).predict([given])
    assert answer.choice in page.locator("#answer .answer-text").inner_text()
    items = page.locator("#answer li")
    assert [answer.choice in text for text in items.all_inner_texts()].index(True) == answer.index
    assert items.count() == 3 and page.locator("#answer li.top").count() == 1


def test_an_answer_deep_in_a_long_context_is_in_sight(
    page: Any, servers: dict[str, HttpServer], bundles: dict[str, Path]
) -> None:
    from ernie_toolkit.inference import Predictor

    question = "总部在哪里？"
    sentences = [f"第{number}号工厂的{HARD[number % 6]}建在{number * 7}号公路旁边。" for number in range(60)]
    # An untrained model answers from anywhere: some order of the sentences has its answer near the end.
    contexts = ["".join(sentences[turn:] + sentences[:turn]) for turn in range(60)]
    answers = Predictor(bundles["qa"], num_threads=1).predict([(question, context) for context in contexts])
    context, answer = next(
        (context, answer)
        for context, answer in zip(contexts, answers, strict=True)
        if answer.start > 0.7 * len(context)
    )
    ask(page, servers["qa"], question, context)
    box = page.locator("#answer .context")
    assert box.locator("mark").text_content() == answer.text
    outer, inner = box.bounding_box(), box.locator("mark").bounding_box()
    assert box.evaluate("box => box.scrollHeight > 3 * box.clientHeight")
    assert outer["y"] <= inner["y"] and inner["y"] + inner["height"] <= outer["y"] + outer["height"]


def test_markup_in_a_text_is_text(page: Any, servers: dict[str, HttpServer]) -> None:
    ask(page, servers["token_cls"], SCRIPT)
    shown = page.locator("#answer .text").evaluate(
        "item => { const copy = item.cloneNode(true); copy.querySelectorAll('.kind').forEach(kind => kind.remove());"
        " return copy.textContent; }"
    )
    assert shown == SCRIPT
    assert page.title() != "broken" and page.locator("#answer script, #answer img").count() == 0


def test_examples_fill_the_form_and_clear_empties_it(page: Any, servers: dict[str, HttpServer]) -> None:
    page.goto(servers["qa"].url)
    page.locator("#send:enabled").wait_for()
    page.locator("#examples button").first.click()
    assert page.input_value("#first") and page.input_value("#second")
    page.locator("#clear").click()
    assert not page.input_value("#first") and not page.input_value("#second")
    page.locator("#send").click()
    page.locator("#error:visible").wait_for()
    assert page.locator("#error").inner_text().strip()


def test_where_the_model_is_from_is_a_line_that_opens(
    page: Any, servers: dict[str, HttpServer], bundles: dict[str, Path]
) -> None:
    page.goto(servers["qa"].url)
    note = page.locator("#warnings:visible")
    note.wait_for()
    assert "样例" in note.inner_text() and "sample" in note.inner_text()
    assert note.bounding_box()["height"] < 40
    items = page.locator("#warnings-list li")
    assert not items.first.is_visible()
    note.locator("summary").press("Enter")
    items.first.wait_for()
    assert items.all_inner_texts() == list(read_bundle(bundles["qa"]).info.warnings)


def test_what_the_server_refuses_is_said(page: Any, servers: dict[str, HttpServer]) -> None:
    # White space to Python, not to JavaScript: the form lets it through, so that the refusal is the server's.
    ask(page, servers["seq_cls"], "怎么还款", "\x85")
    error = page.locator("#error:visible")
    assert "data.text_pair[0] is an empty text" in error.inner_text() and "422" in error.inner_text()
    assert not page.locator("#result").is_visible()
    page.fill("#second", "如何还款")
    page.locator("#send").click()
    page.locator("#result:visible").wait_for()
    assert page.locator("#answer li").count() == 2
    assert not page.locator("#error").is_visible()
    assert page.locator("#first").get_attribute("aria-invalid") == "false"


def test_a_key_is_asked_for_by_the_browser(
    browser: Any, environment: Callable[[str], Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    python, log, env = environment("simple_serving"), tmp_path / "log", {"ERNIE_API_KEY": "k3y"}
    with serving(python, "seq_cls", bundles["seq_cls"], log, env=env) as server:
        for password, status in (("k3y", 200), ("other", 401)):
            context = browser.new_context(http_credentials={"username": "anyone", "password": password})
            page = context.new_page()
            assert page.goto(server.url).status == status
            if status == 200:
                ask(page, server, "怎么还款", "如何还款")
                assert page.locator("#answer li").count() == 2
            context.close()
