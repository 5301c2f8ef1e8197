"""A trained multi-label model that answers with Paddle: for prediction, evaluation and work on the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ernie_toolkit.console import say
from ernie_toolkit.decoding import LabelSetAnswer, sigmoid
from ernie_toolkit.errors import ModelError
from ernie_toolkit.models import SAMPLE_MODEL, LoadedModel, check_model_directory, load_model
from ernie_toolkit.models.checks import check_length
from ernie_toolkit.models.config import model_labels, model_task, model_thresholds
from ernie_toolkit.models.heads import label_mismatch
from ernie_toolkit.multi_label.options import SAMPLE_TRAINING, TrainedOptions
from ernie_toolkit.tasks import MultiLabelClassification
from ernie_toolkit.text.dataset import EncodedDataset, run_rows
from ernie_toolkit.text.tokenization import WordPieceTokenizer, build_tokenizer
from ernie_toolkit.training import predict_logits
from ernie_toolkit.training.devices import use_device
from ernie_toolkit.training.records import read_metrics

if TYPE_CHECKING:
    from ernie_toolkit.text.dataset import Batch


@dataclass(frozen=True)
class TrainedModel:
    """A trained model with what it needs to answer texts.

    Attributes:
        loaded: The model and its vocabulary.
        tokenizer: That of the vocabulary.
        task: Its labels, length and thresholds.
    """

    loaded: LoadedModel
    tokenizer: WordPieceTokenizer
    task: MultiLabelClassification

    def encode(self, texts: Sequence[str]) -> EncodedDataset:
        """Model inputs of some texts."""
        return self.task.encode(self.tokenizer, texts)

    def logits(self, texts: Sequence[str], batch_size: int) -> np.ndarray:
        """Logits of some texts, float32 of shape (texts, labels).

        Args:
            texts: The texts.
            batch_size: Texts that are computed at once.
        """
        return self.task.table(predict_logits(self.loaded.model, self.encode(texts), batch_size))

    def probabilities(self, texts: Sequence[str], batch_size: int) -> np.ndarray:
        """Probabilities of some texts, float64 of shape (texts, labels).

        Args:
            texts: The texts.
            batch_size: Texts that are computed at once.
        """
        return sigmoid(self.logits(texts, batch_size))

    def predict(self, texts: Sequence[str], batch_size: int) -> list[LabelSetAnswer]:
        """The labels of each text, in their order.

        Args:
            texts: The texts.
            batch_size: Texts that are computed at once.
        """
        rows = self.encode(texts)
        return self.task.decode(rows, predict_logits(self.loaded.model, rows, batch_size), texts)

    def sentence_features(self, texts: Sequence[str], batch_size: int) -> np.ndarray:
        """What the last layer reads of each text (the pooled [CLS]): float32 of shape (texts, hidden_size).

        Args:
            texts: The texts.
            batch_size: Texts that are computed at once.
        """
        import paddle

        model = self.loaded.model
        model.eval()

        def compute(batch: "Batch") -> list[np.ndarray]:
            inputs = (paddle.to_tensor(batch[name]) for name in ("input_ids", "token_type_ids"))
            return [model.ernie(*inputs)[1].numpy()]

        with paddle.no_grad():
            return np.asarray(run_rows(self.encode(texts), batch_size, compute), dtype=np.float32)


def check_params(params_path: str) -> Path:
    """The directory of a trained multi-label model, checked without Paddle.

    Args:
        params_path: The directory, or its weights file.

    Raises:
        ModelError: On anything else.
    """
    directory = Path(params_path)
    directory = directory.parent if directory.is_file() else directory
    check_model_directory(directory)
    task = model_task(directory)
    if task != MultiLabelClassification.name:
        raise ModelError(f"{directory}: its head is of task '{task}': multi_label/train.py trains multi-label models")
    return directory


def check_labels(directory: Path, labels: Sequence[str], where: Path) -> None:
    """Check that a model was trained for the labels of a file, and say where their order is another.

    Args:
        directory: The model's.
        labels: Those of the file.
        where: The file, for messages.

    Raises:
        ModelError: Where it was trained for other labels.
    """
    recorded = model_labels(directory) or ()
    if found := label_mismatch(recorded, labels):
        raise ModelError(f"{directory} was trained for other labels than {where} lists ({found}): use its own list")
    if tuple(recorded) != tuple(labels):
        say(f"{where} has the labels of {directory} in another order: the model's own order is used")


def trained_with(directory: Path) -> dict[str, Any]:
    """Training options that default to those of the model's own training.

    These are its length, and the larger steps of a small model from scratch.
    """
    record = read_metrics(directory)
    own = SAMPLE_TRAINING if record.get("model") == SAMPLE_MODEL else {}
    length = record.get("settings", {}).get("max_seq_length")
    return {**own, **({"max_seq_length": length} if length else {})}


def load_trained(params_path: str, max_seq_length: int = 0, threshold: float = -1.0) -> TrainedModel:
    """Load a trained model.

    Args:
        params_path: See `check_params`.
        max_seq_length: The longest sequence in tokens; 0: as it was trained.
        threshold: What the probability of each label has to be above; -1: the model's own, or 0.5 where it has none.

    Raises:
        ModelError: As `check_params`, and where it has no trained head or too few positions.
        ConfigError: On a threshold that is not from 0 to 1.
    """
    directory = check_params(params_path)
    labels = model_labels(directory) or ()
    thresholds = model_thresholds(directory) if threshold == -1.0 else (threshold,) * len(labels)
    length = max_seq_length or int(trained_with(directory).get("max_seq_length", 128))
    task = MultiLabelClassification(labels, length, thresholds)
    loaded = load_model(str(directory), task=task.name)
    if loaded.fresh:
        raise ModelError(f"{directory} has no trained head: train it first")
    check_length(loaded, length)
    tokenizer = build_tokenizer(loaded.vocabulary.tokens, loaded.vocabulary.do_lower_case)
    return TrainedModel(loaded, tokenizer, task)


def open_trained(options: TrainedOptions, threshold: float = -1.0) -> TrainedModel:
    """Choose the device and load the model that the options name.

    Args:
        options: Name the device, the model and its longest sequence.
        threshold: See `load_trained`.

    Raises:
        DeviceError: As `use_device`.
        ModelError: As `load_trained`.
        ConfigError: The same.
    """
    use_device(options.device or None)
    return load_trained(options.params_path, options.max_seq_length, threshold)
