"""A model of two layers for tests, which trains in seconds and exports at once."""

from pathlib import Path

from ernie_toolkit.models import LoadedModel, Vocabulary
from ernie_toolkit.tasks import SequenceClassification

ROOT = Path(__file__).resolve().parents[2]
PAIRS = SequenceClassification(("0", "1"), 48, ("different", "same"), "pair")
TINY_SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}


def make_tiny_model(
    vocabulary: Vocabulary, labels: tuple[str, ...], task: str = "seq_cls", family: str = "ernie", **settings: object
) -> LoadedModel:
    """A new model of two layers, 32 wide, of one of `models.families.FAMILIES`."""
    from ernie_toolkit.models import new_model
    from ernie_toolkit.models.families import FAMILIES
    from ernie_toolkit.training import seed_everything

    seed_everything(7)
    ids = {label: index for index, label in enumerate(labels)}
    named = {"num_labels": len(labels), "id2label": dict(enumerate(labels)), "label2id": ids}
    return new_model(vocabulary, {**TINY_SHAPE, **named, **settings}, task, FAMILIES[family])
