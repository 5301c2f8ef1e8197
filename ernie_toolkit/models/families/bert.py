"""BERT and all that has its architecture: RoBERTa-wwm-ext, RBT and RBTL, MacBERT, Mengzi, UER's Chinese RoBERTas."""

from collections.abc import Mapping
from typing import Any

from ernie_toolkit.models.families.base import EncoderFamily


class BertFamily(EncoderFamily):
    """BERT, whose layers PaddleNLP can also build as one operator each, of other names."""

    def problem(self, config: Mapping[str, Any]) -> str | None:
        """Whether layers are such operators, which can be neither pruned nor exported."""
        return "fuse is true: layers have to be built of their parts, set it to false" if config.get("fuse") else None


BERT = BertFamily("bert", "BERT", stem="Bert", prefix="bert")
