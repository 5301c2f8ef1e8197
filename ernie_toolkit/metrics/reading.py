"""Exact match and F1 of extractive question answering, after CMRC2018's evaluation (Cui et al., 2019).

The rules are those of its script, https://github.com/ymcui/cmrc2018, cmrc2018_evaluate.py: texts are lower
cased, stripped, and rid of the script's own list of punctuation; exact match compares what is left, white
space inside included; F1 is that of the longest run of segments in common. Of several gold answers the best
counts.

Segments are single Chinese characters (U+4E00 to U+9FA5) and the words of what is between them. As in the
script, punctuation goes first, so "2010-2011" is the one word "20102011". For words the script calls
nltk.word_tokenize; here a run of letters and digits is a word, with the points and commas inside of its
numbers ("1.5", "3,000"), and any other character that is not white space is a segment of its own. F1 can
differ where such other characters touch: NLTK keeps "a.b", "——", "..." and "25℃" as one segment, splits
"don't" into "do" and "n't", and distinguishes opening from closing quotation marks. Exact match never differs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ernie_toolkit.compat import strict_zip

# The script also lists the two-character "……", but compares single characters with it: "…" stays.
_REMOVED = dict.fromkeys(map(ord, "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』"))
_WORD = r"[^\W\u4e00-\u9fa5]+"
_SEGMENT = re.compile(rf"{_WORD}(?:(?<=\d)[.,](?=\d){_WORD})*|\S")


def _without_punctuation(text: str) -> str:
    # in this order: white space that stands behind removed punctuation stays
    return text.lower().strip().translate(_REMOVED)


def _segments(text: str) -> list[str]:
    return _SEGMENT.findall(_without_punctuation(text))


def _longest_common_run(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest run of segments that is in both.

    Only pairs of equal segments are visited, which are few in text.
    """
    places: dict[str, list[int]] = {}
    for place, segment in enumerate(second):
        places.setdefault(segment, []).append(place)
    longest = 0
    runs: dict[int, int] = {}  # length of the common run that ends here in `first` and at the key in `second`
    for segment in first:
        runs = {place: runs.get(place - 1, 0) + 1 for place in places.get(segment, ())}
        longest = max(longest, *runs.values()) if runs else longest
    return longest


def _check_golds(golds: Sequence[str]) -> None:
    if isinstance(golds, str):
        raise ValueError(f"gold answers must be a sequence of texts, not one text: {golds!r}")
    if not golds:
        raise ValueError("a question without a gold answer has no score")


def exact_match(prediction: str, golds: Sequence[str]) -> float:
    """1.0 where the prediction equals a gold answer but for case and punctuation, else 0.0.

    Two texts of nothing but removed punctuation are equal.

    Args:
        prediction: The predicted answer.
        golds: The gold answers of one question.

    Raises:
        ValueError: Where there is no gold answer.
    """
    _check_golds(golds)
    text = _without_punctuation(prediction)
    return float(any(_without_punctuation(gold) == text for gold in golds))


def overlap_f1(prediction: str, golds: Sequence[str]) -> float:
    """F1 of the longest run of segments in common with a gold answer, the best of all, between 0 and 1.

    Precision is the run's share of the prediction's segments, recall its share of the gold answer's. It is 0 where
    either has no segments, even if both have none.

    Args:
        prediction: The predicted answer.
        golds: The gold answers of one question.

    Raises:
        ValueError: Where there is no gold answer.
    """
    _check_golds(golds)
    ours = _segments(prediction)
    scores = []
    for theirs in map(_segments, golds):
        common = _longest_common_run(ours, theirs)
        # 2PR / (P + R) with P = common / len(ours) and R = common / len(theirs)
        scores.append(2 * common / (len(ours) + len(theirs)) if common else 0.0)
    return max(scores)


def can_be_exact(context: str, golds: Sequence[str]) -> bool:
    """Whether a span of a context can equal a gold answer but for case and punctuation.

    False means that `exact_match` of no span of the context is 1.

    Args:
        context: The text that answers are taken from.
        golds: The gold answers of one question.

    Raises:
        ValueError: Where there is no gold answer.
    """
    _check_golds(golds)
    text = context.lower().translate(_REMOVED)
    return any(_without_punctuation(gold) in text for gold in golds)


def reading_scores(predictions: Sequence[str], golds: Sequence[Sequence[str] | None]) -> dict[str, float]:
    """`exact_match` and `f1`: the means over questions of `exact_match` and `overlap_f1`, between 0 and 1.

    Args:
        predictions: The predicted answer of each question.
        golds: The gold answers of each question, in the predictions' order; None for a question that cannot be
            answered, where both are 1 for an empty prediction and 0 for any other (SQuAD 2.0, Rajpurkar et al., 2018).

    Raises:
        ValueError: On unequal numbers of questions, on none, and where a question has an empty list of gold answers.
    """
    if len(predictions) != len(golds):
        raise ValueError(f"{len(predictions)} predictions and gold answers of {len(golds)} questions do not fit")
    if not predictions:
        raise ValueError("scores of no questions are not defined")
    exact, overlap = [], []
    for prediction, texts in strict_zip(predictions, golds):
        empty = float(not prediction.strip())
        exact.append(empty if texts is None else exact_match(prediction, texts))
        overlap.append(empty if texts is None else overlap_f1(prediction, texts))
    return {"exact_match": sum(exact) / len(exact), "f1": sum(overlap) / len(overlap)}
