"""Whether a model fits what it is to do: its length, its outputs, its head."""

from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.errors import ModelError
from ernie_toolkit.models.config import model_labels
from ernie_toolkit.models.heads import are_named, label_mismatch, shown
from ernie_toolkit.models.loading import LoadedModel, is_local
from ernie_toolkit.tasks import Task
from ernie_toolkit.text.formats import CHOICE_FORMATS, PAIR_FORMATS


def check_length(loaded: LoadedModel, max_seq_length: int) -> None:
    """Check that a model has positions enough for the longest sequence.

    Args:
        loaded: The model.
        max_seq_length: The longest sequence in tokens.

    Raises:
        ModelError: Where it has fewer.
    """
    limit = loaded.model.config.max_position_embeddings
    if max_seq_length > limit:
        raise ModelError(f"`max_seq_length` {max_seq_length} is over the {limit} positions of {loaded.source}")


def check_segments(loaded: LoadedModel, task: Task) -> None:
    """Check that a model tells two texts of a row apart, where a task's rows have two.

    Args:
        loaded: The model.
        task: What it is to do.

    Raises:
        ModelError: Where its table of token types has a row for one text alone.
    """
    types = getattr(loaded.model.config, "type_vocab_size", 2)
    if task.text_format in (*PAIR_FORMATS, *CHOICE_FORMATS) and types < 2:
        raise ModelError(
            f"{loaded.source}: type_vocab_size is {types}, so that it cannot tell the two texts of {task.title[1]} "
            "apart: use a model with 2 or more"
        )


def check_outputs(loaded: LoadedModel, labels: Sequence[str]) -> None:
    """Check that a model's configuration names a task's labels as its outputs, in their order, where it names any.

    Args:
        loaded: The model.
        labels: The task's; empty where it has none.

    Raises:
        ModelError: Where it names others, or the same in another order.
    """
    named = loaded.model.config.id2label or {}
    outputs = [str(named[place]) for place in sorted(named)]
    found = label_mismatch(outputs, labels, in_order=True)
    if labels and are_named(outputs) and found:
        raise ModelError(
            f"{loaded.source}: its outputs ({shown(outputs)}) are not the task's labels ({shown(labels)}), but "
            f"{found}: load it by load_model(PATH, task.labels), which finds them by name"
        )


def require_trained_head(loaded: LoadedModel, task: Task) -> None:
    """Check that a model can do a task without being trained first.

    Args:
        loaded: The model.
        task: What it is to do.

    Raises:
        ModelError: Where its head is new, or was trained for other labels.
    """
    labels = task.labels
    if loaded.fresh:
        wanted = f"classifier for {len(labels)} labels" if labels else f"head for {task.title[1]}"
        # What was found in place of it: a head of another task, or one that nothing names.
        others = "".join(f" ({message.rpartition(': ')[0].partition(': ')[2]})" for message in loaded.notices)
        raise ModelError(f"{loaded.source} has no trained {wanted}{others}: fine-tune it first")
    recorded = model_labels(Path(loaded.source)) if is_local(loaded.source) else None
    found = label_mismatch(recorded or (), labels)
    if labels and are_named(recorded) and found:
        raise ModelError(f"{loaded.source} was trained for other labels ({found}): choose its own data set")
