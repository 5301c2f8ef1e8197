"""Arguments of the scripts of multi_label/analysis, as PaddleNLP's application names them."""

from dataclasses import dataclass

from ernie_toolkit.arguments.options import DEVICES, THRESHOLD_OR_OWN, device_of, option
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import BATCH_SIZE, COUNT, SEED, Range
from ernie_toolkit.multi_label.analysis.augmentation import DUPLICATE, MIX, STRATEGIES, TYPES
from ernie_toolkit.multi_label.analysis.wrong_labels import METHODS
from ernie_toolkit.multi_label.options import TrainedOptions


@dataclass(frozen=True)
class EvaluationOptions(TrainedOptions):
    """What is evaluated, and where the wrong rows go."""

    dataset_dir: str = option("../data", "directory with the training, dev and label files", parse=path_text)
    params_path: str = option("../checkpoint/", "directory of a trained model", parse=path_text)
    bad_case_file: str = option(
        "./bad_case.txt", "file for the wrong dev rows: prediction, label, text", parse=path_text
    )
    report_file: str = option("./report.html", "file for the page", parse=path_text)
    threshold: float = option(
        -1.0,
        "probability a label has to be above; -1: the model's own (0.5 where it has none)",
        allowed=THRESHOLD_OR_OWN,
    )


@dataclass(frozen=True)
class SparseOptions(TrainedOptions):
    """What is sparse, what supports it, and where both go."""

    dataset_dir: str = option("../data", "directory with the training, dev and label files", parse=path_text)
    params_path: str = option("../checkpoint/", "directory of a model trained on these rows", parse=path_text)
    batch_size: int = option(16, "rows in one batch", allowed=BATCH_SIZE)
    rationale_num_sparse: int = option(
        3, "nearest training rows whose mean similarity is a dev row's evidence", allowed=COUNT
    )
    rationale_num_support: int = option(6, "nearest rows of each sparse row that may support it", allowed=COUNT)
    sparse_num: int = option(100, "dev rows with the least evidence to write", allowed=COUNT)
    support_num: int = option(100, "rows to write for them, the most similar first", allowed=COUNT)
    support_threshold: float = option(
        0.7, "similarity (cosine) that a supporting row must be over", allowed=Range(-1, 1)
    )
    aug_strategy: str = option(DUPLICATE, "how supporting training rows are changed", (DUPLICATE, *STRATEGIES))
    aug_percent: float = option(
        0.1, "share of a supporting row's words that are changed", allowed=Range(0, 1, above=True)
    )
    annotate: bool = option(False, "take the supporting rows from `unlabeled_file`, for somebody to label")
    unlabeled_file: str = option("data.txt", "file of texts in `dataset_dir`, one a line", parse=path_text)
    sparse_file: str = option("sparse.txt", "file in `dataset_dir` for the sparse rows", parse=path_text)
    support_file: str = option("support.txt", "file in `dataset_dir` for the supporting rows", parse=path_text)
    seed: int = option(3, "seed of the changes", allowed=SEED)


@dataclass(frozen=True)
class DirtyOptions(TrainedOptions):
    """What is looked for, and where it goes."""

    dataset_dir: str = option("../data", "directory with the training and label files", parse=path_text)
    params_path: str = option("../checkpoint/", "directory of a model trained on these rows", parse=path_text)
    dirty_num: int = option(100, "rows to write at most, the most suspicious first", allowed=COUNT)
    dirty_threshold: float = option(
        0.0, "rows with no higher score than this are not written", allowed=Range(-(10**9), 10**9)
    )
    dirty_file: str = option("train_dirty.txt", "file in `dataset_dir` for the suspicious rows", parse=path_text)
    rest_file: str = option("train_dirty_rest.txt", "file in `dataset_dir` for all other rows", parse=path_text)
    method: str = option(METHODS[0], "representer points' influence, or confident learning (cleanlab)", METHODS)
    seed: int = option(3, "seed of confident learning's folds", allowed=SEED)


@dataclass(frozen=True)
class AugmentationOptions:
    """What is made of what."""

    train_path: str = option("../data/train.txt", "labelled file: text<TAB>label,label", parse=path_text)
    aug_path: str = option("../data/aug.txt", "file for the new rows", parse=path_text)
    aug_strategy: str = option("substitute", "what is done to words; mix: one of these each time", (*STRATEGIES, MIX))
    aug_type: str = option("synonym", "words that come in: synonyms, homonyms, or a masked language model's", TYPES)
    create_n: int = option(2, "new rows for each row, where so many can be made", allowed=Range(1, 1000))
    aug_percent: float = option(
        0.1, "share of a text's words that are touched, one at least", allowed=Range(0, 1, above=True)
    )
    params_path: str = option(
        "", "mlm: directory of a pretrained ERNIE model with its masked-language-model head", parse=path_text
    )
    device: str = option("", "mlm: device to compute on", parse=device_of(*DEVICES))
    seed: int = option(3, "seed of the choices", allowed=SEED)
