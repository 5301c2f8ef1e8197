"""Training rows whose labels are probably wrong: influence of representer points, and confident learning."""

from dataclasses import dataclass

import numpy as np

from ernie_toolkit.decoding import sigmoid
from ernie_toolkit.errors import DataError

METHODS = ("representer", "confident")
# Weight of the squared length of the last layer's weights beside the mean loss of a row and label.
REGULARISATION = 1e-3
FOLDS = 5


@dataclass(frozen=True)
class LastLayer:
    """A last layer fitted to features, and what each row contributes to it.

    Attributes:
        weights: Float64 of shape (size + 1, classes), the last row being the bias.
        representers: Float64 of shape (rows, classes), the alphas with `weights = features' @ representers`.
    """

    weights: np.ndarray
    representers: np.ndarray


def _with_one(features: np.ndarray) -> np.ndarray:
    """Features scaled to unit variance over all of them, with a column of ones for the bias."""
    values = features.astype(np.float64)
    scale = values.std() or 1.0
    return np.hstack([values / scale, np.ones((len(values), 1))])


def fit_last_layer(features: np.ndarray, gold: np.ndarray, regularisation: float = REGULARISATION) -> LastLayer:
    """Fit a sigmoid layer with L2 regularisation, bias included, and split it into the rows' contributions.

    At the optimum the weights are a sum over rows of features times alpha, with alpha = (gold - probability) / (2 *
    regularisation * rows) (Yeh et al., 2018, https://arxiv.org/abs/1811.09720): the derivative of the loss by the row's
    logits.

    Args:
        features: Float of shape (rows, size), scaled and given a column of ones inside.
        gold: Bool of shape (rows, classes).
        regularisation: The weight of the squared length of the layer's weights beside the mean loss of a row.
    """
    from scipy.optimize import minimize

    inputs, targets = _with_one(features), gold.astype(np.float64)
    rows, size = inputs.shape
    classes = targets.shape[1]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(size, classes)
        logits = inputs @ weights
        each = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
        value = each.sum() / rows + regularisation * (weights**2).sum()
        gradient = inputs.T @ (sigmoid(logits) - targets) / rows + 2 * regularisation * weights
        return float(value), gradient.ravel()

    found = minimize(
        loss,
        np.zeros(size * classes),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "maxfun": 4000, "ftol": 1e-12, "gtol": 1e-7},
    )
    weights = found.x.reshape(size, classes)
    return LastLayer(weights, (targets - sigmoid(inputs @ weights)) / (2 * regularisation * rows))


def representer_scores(features: np.ndarray, gold: np.ndarray, regularisation: float = REGULARISATION) -> np.ndarray:
    """How suspicious each row's labels are: the length of its alphas, float64 of shape (rows,).

    A row that the others explain needs no weight of its own; one that contradicts them keeps a large alpha however the
    layer is fitted.

    Args:
        features: See `fit_last_layer`.
        gold: See `fit_last_layer`.
        regularisation: See `fit_last_layer`.
    """
    layer = fit_last_layer(features, gold, regularisation)
    return np.asarray(np.linalg.norm(layer.representers, axis=1))


def confident_scores(features: np.ndarray, gold: np.ndarray, seed: int) -> np.ndarray:
    """How suspicious each row's labels are by confident learning: 1 less cleanlab's quality, float64 of shape (rows,).

    Probabilities are those of logistic regressions on the features, each for the rows that it was not fitted to
    (cross-validation), one for each label. Northcutt et al., 2021 (https://arxiv.org/abs/1911.00068); for sets of
    labels Thyagarajan et al., 2022 (https://arxiv.org/abs/2211.13895). Labels that no row or every row has carry no
    information and are left out.

    Args:
        features: Float of shape (rows, size).
        gold: Bool of shape (rows, classes).
        seed: Of the folds.

    Raises:
        DataError: Where no label is left, or there are too few rows.
    """
    from cleanlab.multilabel_classification import get_label_quality_scores

    kept = np.flatnonzero((gold.sum(axis=0) >= 2) & ((~gold).sum(axis=0) >= 2))
    if len(gold) < 2 * FOLDS or not len(kept):
        raise DataError(f"{len(gold)} rows with {len(kept)} usable labels: confident learning needs more of them")
    gold = gold[:, kept]
    probabilities = out_of_sample(_with_one(features)[:, :-1], gold, seed)
    labels = [np.flatnonzero(row).tolist() for row in gold]
    quality = get_label_quality_scores(labels, probabilities)
    return 1.0 - np.asarray(quality, dtype=np.float64)


def out_of_sample(features: np.ndarray, gold: np.ndarray, seed: int) -> np.ndarray:
    """Probability of each label for each row, by models that have not seen the row: float64 of gold's shape.

    Args:
        features: Float of shape (rows, size).
        gold: Bool of shape (rows, classes).
        seed: Of the folds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold, StratifiedKFold

    probabilities = np.zeros(gold.shape)
    for label in range(gold.shape[1]):
        target = gold[:, label]
        enough = min(target.sum(), (~target).sum()) >= FOLDS
        folds = (StratifiedKFold if enough else KFold)(FOLDS, shuffle=True, random_state=seed)
        for train, held in folds.split(features, target):
            if target[train].all() or not target[train].any():
                probabilities[held, label] = float(target[train].mean())
                continue
            model = LogisticRegression(C=1.0, max_iter=1000).fit(features[train], target[train])
            probabilities[held, label] = model.predict_proba(features[held])[:, 1]
    return probabilities


def suspicion(method: str, features: np.ndarray, gold: np.ndarray, seed: int) -> np.ndarray:
    """How suspicious each row's labels are by a method, float64 of shape (rows,); larger is worse.

    Args:
        method: One of `METHODS`.
        features: Float of shape (rows, size).
        gold: Bool of shape (rows, classes).
        seed: Of the folds of "confident".

    Raises:
        DataError: As `confident_scores`.
    """
    return representer_scores(features, gold) if method == "representer" else confident_scores(features, gold, seed)


def most_suspicious(scores: np.ndarray, count: int, threshold: float) -> np.ndarray:
    """The rows with the largest scores over a threshold, the worst first: int64 of shape (at most `count`,).

    Args:
        scores: Of `suspicion`.
        count: The most rows to choose.
        threshold: What a score has to be over.
    """
    order = np.argsort(-scores, kind="stable")[:count]
    return order[scores[order] > threshold]
