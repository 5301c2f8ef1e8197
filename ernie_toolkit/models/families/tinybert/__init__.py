"""TinyBERT: BERT with layers beside it that it was distilled through, which none of its answers needs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ernie_toolkit.formats.ranges import Range
from ernie_toolkit.models.families.base import EncoderFamily
from ernie_toolkit.models.families.bert import BERT

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedModel


class TinyBertFamily(EncoderFamily):
    """TinyBERT, with a head for tokens, which PaddleNLP's lacks."""

    def head_class(self, head: str) -> "type[PretrainedModel]":
        """As of every family; the head for tokens is the toolkit's own."""
        if head != "token":
            return super().head_class(head)
        from ernie_toolkit.models.families.tinybert.heads import TinyBertForTokenClassification

        return TinyBertForTokenClassification

    def transformers_problem(self, config: Mapping[str, Any], head: str) -> str | None:
        """As of BERT; and the head for texts, whose ReLU transformers' has not."""
        if head == "sequence":
            return "TinyBERT's head for texts has a ReLU before it in PaddleNLP, which transformers' models have not"
        return BERT.transformers_problem(config, head)

    def prepare(self, model: "PretrainedModel") -> None:
        """Leave out the layers to its teacher's width, and let the head for texts be such as every runtime computes.

        The layers would be saved, and counted, and quantized for nothing.
        """
        from paddle import nn

        from ernie_toolkit.models.families.tinybert.heads import Positive

        del model.tinybert.fit_denses, model.tinybert.fit_dense
        if isinstance(getattr(model, "activation", None), nn.ReLU):
            model.activation = Positive()


TINYBERT = TinyBertFamily(
    "tinybert",
    "TinyBERT",
    stem="TinyBert",
    prefix="tinybert",
    counts={"fit_size": Range(1, 10**8)},
    tables=("fit_size",),
    transformers_type="bert",
)
