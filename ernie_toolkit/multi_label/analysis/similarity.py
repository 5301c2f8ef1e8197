"""How much evidence a set of texts gives for another: similarity of sentence features.

Example-level evidence by feature similarity, as in Rajagopal et al., 2021 (https://arxiv.org/abs/2103.12279), and in
PaddleNLP's multi-label application: a text that nothing in the training set resembles is one the model guesses at.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BLOCK = 512  # rows compared at once


@dataclass(frozen=True)
class Neighbours:
    """The most similar rows of another set; columns go from the most similar on.

    Attributes:
        rows: Places in the other set, int64 of shape (queries, k).
        similarities: Their cosines, float32 of the same shape.
    """

    rows: np.ndarray
    similarities: np.ndarray


def normalised(features: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1; a row of zeros stays one. Float32 of shape (rows, size)."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def nearest(queries: np.ndarray, others: np.ndarray, count: int) -> Neighbours:
    """The rows of another set with the largest cosine to each query; of equal ones the first.

    Args:
        queries: Float of shape (rows, size).
        others: Float of shape (rows, size).
        count: How many rows are found for each query; fewer where the other set has fewer.

    Raises:
        ValueError: On no other rows and on a count below 1.
    """
    if count < 1 or not len(others):
        raise ValueError(f"{count} neighbours of {len(others)} rows are not defined")
    count = min(count, len(others))
    queries, others = normalised(queries), normalised(others)
    rows = np.empty((len(queries), count), dtype=np.int64)
    similarities = np.empty((len(queries), count), dtype=np.float32)
    for start in range(0, len(queries), BLOCK):
        cosines = queries[start : start + BLOCK] @ others.T
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        rows[start : start + BLOCK] = best
        similarities[start : start + BLOCK] = np.take_along_axis(cosines, best, axis=1)
    return Neighbours(rows, similarities)


def evidence(queries: np.ndarray, others: np.ndarray, count: int) -> np.ndarray:
    """The mean cosine of each query to its nearest rows of another set: float32 of shape (queries,).

    Args:
        queries: See `nearest`.
        others: See `nearest`.
        count: How many of the nearest count.

    Raises:
        ValueError: As `nearest`.
    """
    return np.asarray(nearest(queries, others, count).similarities.mean(axis=1))


def sparsest(scores: np.ndarray, count: int) -> np.ndarray:
    """The rows with the least evidence, the least first: int64 of shape (at most `count`,).

    Args:
        scores: Of `evidence`.
        count: The most rows to choose.
    """
    return np.argsort(scores, kind="stable")[:count]


def support(sparse: np.ndarray, candidates: np.ndarray, neighbours: int, threshold: float, count: int) -> Sequence[int]:
    """The candidates that would give sparse rows evidence, each once, the most similar first.

    Args:
        sparse: Features of the sparse rows, float of shape (rows, size).
        candidates: Features of the candidates, of the same size.
        neighbours: How many of the nearest candidates of each sparse row may support it.
        threshold: The cosine that they have to be over.
        count: The most candidates to choose.
    """
    found = nearest(sparse, candidates, neighbours)
    best: dict[int, float] = {}
    for row, similarity in zip(found.rows.ravel().tolist(), found.similarities.ravel().tolist(), strict=True):
        if similarity > threshold:
            best[row] = max(similarity, best.get(row, -1.0))
    return sorted(best, key=lambda row: (-best[row], row))[:count]
