"""The evaluation page in headless Chromium, from a file: what it shows, sorts and filters, and never loads."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ernie_toolkit.multi_label.analysis.evaluation import Evaluation, bad_cases, split_result
from ernie_toolkit.multi_label.analysis.report import report_page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine (apt-get install chromium)")
NAMES = ("物流", "包装", "</script><b>", "客服")
THRESHOLDS = (0.5, 0.3, 0.5, 0.7)
HOSTILE = "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">"
WARNING = "figures <i>say nothing</i>"


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    draw = np.random.default_rng(5)
    results = []
    for rows in (90, 60):
        gold = draw.random((rows, 4)) < (0.5, 0.3, 0.3, 0.1)
        probabilities = np.clip(0.5 * gold + 0.5 * draw.random((rows, 4)), 0, 1)
        texts = [HOSTILE if number == 7 else f"第{number}条评价" for number in range(rows)]
        if rows == 60:
            gold[7, 0], probabilities[7, 0] = True, 0.001  # wrong for sure
        results.append(split_result(texts, gold, probabilities, THRESHOLDS))
    return Evaluation(NAMES, THRESHOLDS, *results)


@pytest.fixture(params=[1100, 375])
def page(request: pytest.FixtureRequest, evaluation: Evaluation, tmp_path: Path) -> Iterator[Any]:
    """The page opened in a window of a width; what it asked for and complained about is checked at the end."""
    from playwright.sync_api import sync_playwright

    path = tmp_path / "report.html"
    about = {"model": "checkpoint", "data": "data", "warnings": [WARNING]}
    path.write_text(report_page(evaluation, bad_cases(evaluation.dev, THRESHOLDS), about), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": request.param, "height": 800})
        requests: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda item: requests.append(item.url))
        page.on("console", lambda item: complaints.append(item.text))
        page.on("pageerror", lambda item: complaints.append(str(item)))
        page.goto(path.as_uri())
        yield page
        assert requests == [path.as_uri()] and not complaints
        assert page.evaluate("document.documentElement.scrollWidth") <= request.param
        assert page.title() == "Evaluation report"
        browser.close()


def test_many_labels(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    draw = np.random.default_rng(6)
    gold, probabilities = draw.random((8, 450)) < 0.1, draw.random((8, 450))
    names, thresholds = tuple(f"类{number}" for number in range(450)), (0.004,) * 450
    result = split_result([f"第{number}条" for number in range(8)], gold, probabilities, thresholds)
    evaluation = Evaluation(names, thresholds, result, result)
    path = tmp_path / "report.html"
    about = {"model": "checkpoint", "data": "data", "warnings": []}
    path.write_text(report_page(evaluation, bad_cases(result, thresholds), about), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda item: complaints.append(str(item)))
        page.goto(path.as_uri())
        assert len(shown_texts(page)) == 8 and not complaints
        assert page.locator("#labels tbody td").all_text_contents()[6] == "0.004"
        absent = [name for name, count in zip(names, gold.sum(axis=0), strict=True) if not count]
        about = page.locator("#about").text_content()
        assert f"only where they are given: {', '.join(absent[:20])} and {len(absent) - 20} more" in about
        browser.close()


def shown_texts(page: Any) -> list[str]:
    return list(page.locator("#cases li p").all_text_contents())


def test_figures_and_labels(page: Any, evaluation: Evaluation) -> None:
    total = evaluation.dev.total
    tiles = page.locator(".tile b").all_text_contents()
    assert tiles[:3] == [f"{100 * total[name]:.1f}%" for name in ("micro_f1", "macro_f1", "accuracy")]
    assert page.locator(".warning").text_content() == WARNING
    page.locator("#labels button[data-key=f1]").click()
    rows = page.locator("#labels tbody tr").all()
    order = np.argsort(-evaluation.dev.labels["f1"])
    assert [row.locator("td").first.text_content() for row in rows] == [NAMES[place] for place in order]
    cells = rows[0].locator("td").all_text_contents()
    best = order[0]
    dev = evaluation.dev.labels
    assert cells[1] == f"{100 * dev['f1'][best]:.1f}" and cells[4] == str(dev["support"][best])
    assert cells[5] == str(evaluation.train.labels["support"][best]) and cells[6] == f"{THRESHOLDS[best]:.2f}"
    bar = rows[0].locator("i").bounding_box()["width"] / rows[0].locator(".track").bounding_box()["width"]
    assert bar == pytest.approx(dev["f1"][best], abs=0.02)
    page.locator("#labels button[data-key=f1]").click()
    assert page.locator("#labels tbody td").first.text_content() == NAMES[order[-1]]


def test_the_curve_follows_the_chosen_label(page: Any, evaluation: Evaluation) -> None:
    lines = "#curve polyline.f1"
    before = page.locator(lines).get_attribute("points")
    assert page.locator("#curve .own").count() == 0
    page.select_option("#curve-of", label=NAMES[1])
    points = page.locator(lines).get_attribute("points").split()
    assert " ".join(points) != before and len(points) == 101
    assert "own threshold is 0.30" in page.locator("#curve-at").text_content()
    own = float(page.locator("#curve .own").get_attribute("x1"))
    assert own == pytest.approx(float(points[30].split(",")[0]), abs=0.1)
    height = [float(point.split(",")[1]) for point in points]
    f1 = float(evaluation.dev.labels["f1"][1])
    zero, one = height[-1], 12.0  # F1 is 0 at a threshold of 1
    assert (zero - height[30]) / (zero - one) == pytest.approx(f1, abs=0.01)


def test_the_matrix_tells_its_cells(page: Any, evaluation: Evaluation) -> None:
    both = evaluation.train.gold[:, 0] & evaluation.train.gold[:, 1]
    count = int(both.sum()) + int((evaluation.dev.gold[:, 0] & evaluation.dev.gold[:, 1]).sum())
    cell = page.locator("#matrix tbody tr").nth(0).locator("td").nth(1)
    assert cell.text_content() == str(count)
    cell.focus()
    assert page.locator("#matrix-at").text_content() == f"{count} row(s) have both 物流 and 包装."
    page.select_option("#matrix-of", "confusion")
    page.locator("#matrix tbody tr").nth(0).locator("td").nth(1).focus()
    assert "missed, and were given 包装" in page.locator("#matrix-at").text_content()


def test_wrong_rows_are_sorted_and_filtered(page: Any, evaluation: Evaluation) -> None:
    cases = bad_cases(evaluation.dev, THRESHOLDS)
    assert page.locator("#case-count").text_content() == f"{len(cases)} of {len(cases)} wrong rows"
    assert shown_texts(page) == [case.text for case in sorted(cases, key=lambda case: -round(case.worst, 4))][:50]
    page.select_option("#case-order", "row")
    assert shown_texts(page) == [case.text for case in cases][:50]
    page.select_option("#case-label", label=NAMES[1])
    page.select_option("#case-kind", "missed")
    assert shown_texts(page) == [case.text for case in cases if 1 in case.missed][:50]
    page.select_option("#case-label", "")
    page.select_option("#case-kind", "surplus")
    assert shown_texts(page) == [case.text for case in cases if case.surplus][:50]
    page.select_option("#case-kind", "any")
    page.fill("#search", "第1")
    assert shown_texts(page) == [case.text for case in cases if "第1" in case.text]
    page.fill("#search", "no such text")
    assert page.locator("#case-count").text_content() == f"0 of {len(cases)} wrong rows"


def test_texts_are_never_markup(page: Any) -> None:
    page.fill("#search", "</script>")
    assert shown_texts(page) == [HOSTILE]
    assert page.locator("#cases img, #cases script, #labels b").count() == 0
    assert NAMES[2] in page.locator("#labels tbody").text_content()
