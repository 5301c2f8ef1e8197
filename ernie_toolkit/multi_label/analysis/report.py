"""The evaluation as one page that needs no other file: style, script and metrics are inside."""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from ernie_toolkit.multi_label.analysis.evaluation import BadCase, Evaluation, co_occurrence, confusion, threshold_curve

DIGITS = 4


def page_data(evaluation: Evaluation, cases: Sequence[BadCase], about: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows, as plain values.

    Args:
        evaluation: The answers on train and dev.
        cases: The wrong dev rows.
        about: What was evaluated: `model`, `data` and `warnings`.
    """
    train, dev = evaluation.train, evaluation.dev
    labels = [
        {
            "name": name,
            "threshold": evaluation.thresholds[index],
            "train": int(train.labels["support"][index]),
            "dev": int(dev.labels["support"][index]),
            **{key: round(float(dev.labels[key][index]), DIGITS) for key in ("precision", "recall", "f1")},
        }
        for index, name in enumerate(evaluation.names)
    ]
    curve = threshold_curve(dev.gold, dev.probabilities)
    return {
        "about": dict(about),
        "names": list(evaluation.names),
        "total": dev.total,
        "labels": labels,
        "sizes": {"train": len(train.texts), "dev": len(dev.texts)},
        "curve": {name: values.round(DIGITS).tolist() for name, values in curve.items()},
        "together": (co_occurrence(train.gold) + co_occurrence(dev.gold)).tolist(),
        "confusion": confusion(dev.gold, dev.predicted).tolist(),
        "cases": [{**dataclasses.asdict(case), "worst": round(case.worst, DIGITS)} for case in cases],
    }


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def report_page(evaluation: Evaluation, cases: Sequence[BadCase], about: Mapping[str, Any]) -> str:
    """The page as HTML. Its policy lets nothing run or load but its own script and style.

    Args:
        evaluation: See `page_data`.
        cases: See `page_data`.
        about: See `page_data`.
    """
    folder = resources.files("ernie_toolkit.multi_label.analysis") / "page"
    page, style, script = ((folder / f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    data = json.dumps(page_data(evaluation, cases, about), ensure_ascii=False, allow_nan=False)
    # In JSON "<" stands in texts only; escaped, none of them can end the element.
    data = data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    # Bars and cells set their own width and colour through the style object, which a policy of hashes allows.
    policy = (
        f"default-src 'none'; base-uri 'none'; form-action 'none'; script-src {_hash(script)}; style-src {_hash(style)}"
    )
    parts = {"policy": policy, "style": style, "script": script, "data": data}
    pieces = page.split("{{")
    return pieces[0] + "".join(parts[name] + rest for name, _, rest in (piece.partition("}}") for piece in pieces[1:]))
