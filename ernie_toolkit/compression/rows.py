"""The encoded splits of a compression run: made once for each vocabulary, and read by every step."""

from dataclasses import dataclass

from ernie_toolkit.data import DataSet
from ernie_toolkit.session import Session
from ernie_toolkit.tasks import Task
from ernie_toolkit.text.dataset import EncodedDataset
from ernie_toolkit.text.tokenization import WordPieceTokenizer
from ernie_toolkit.training.options import TrainingOptions
from ernie_toolkit.training.run import fingerprint


@dataclass(frozen=True)
class SplitRows:
    """Encoded rows in one vocabulary, with targets.

    Attributes:
        train: For training.
        dev: For metrics.
    """

    train: EncodedDataset
    dev: EncodedDataset

    @property
    def calibration(self) -> EncodedDataset:
        """The rows for calibration, one by one: what a model reads does not depend on what is trained together."""
        return self.train.ungrouped()

    @property
    def identity(self) -> dict[str, str]:
        """Checksums by which a run with other rows is found out when it is resumed."""
        return {"training rows": fingerprint(self.train), "dev rows": fingerprint(self.dev)}


def session_rows(session: Session, training: TrainingOptions) -> SplitRows:
    """Both splits of a session's data set.

    Args:
        session: The model, its data and its task.
        training: Says how the train split is thinned.
    """
    return SplitRows(session.training_rows(training), session.encoded(session.data.split("dev")))


def bundle_rows(task: Task, tokenizer: WordPieceTokenizer, data: DataSet) -> SplitRows:
    """Both splits of a data set in the vocabulary of a bundle.

    Args:
        task: The bundle's.
        tokenizer: The bundle's.
        data: Train and dev rows.
    """
    train, dev = (
        task.with_targets(task.encode(tokenizer, task.inputs(examples)), examples)
        for examples in (data.split("train"), data.split("dev"))
    )
    return SplitRows(train, dev)
