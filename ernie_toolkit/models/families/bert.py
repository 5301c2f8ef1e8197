"""BERT and all that has its architecture: RoBERTa-wwm-ext, RBT and RBTL, MacBERT, Mengzi, UER's Chinese RoBERTas."""

from collections.abc import Mapping
from typing import Any

from ernie_toolkit.models.families.base import POOLED_HEADS, EncoderFamily


class BertFamily(EncoderFamily):
    """BERT, whose layers PaddleNLP can also build as one operator each, of other names."""

    def problem(self, config: Mapping[str, Any]) -> str | None:
        """Whether layers are such operators, which can be neither pruned nor exported; or those of a decoder."""
        if config.get("is_decoder") is True:
            return "is_decoder is true: this toolkit computes encoders"
        return "fuse is true: layers have to be built of their parts, set it to false" if config.get("fuse") else None

    def transformers_problem(self, config: Mapping[str, Any], head: str) -> str | None:
        """Whether the pooler has no tanh, which transformers' always has."""
        activation = config.get("pool_act") or "tanh"
        if head in POOLED_HEADS and activation != "tanh":
            return f"pool_act is {activation!r:.20}, and the pooler of transformers' models always has a tanh"
        return None


BERT = BertFamily("bert", "BERT", stem="Bert", prefix="bert", transformers_type="bert", publishers=("uer",))
