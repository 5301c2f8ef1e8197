"""TinyBERT: BERT with layers beside it that it was distilled through, which none of its answers needs."""

from typing import TYPE_CHECKING

from ernie_toolkit.formats.ranges import Range
from ernie_toolkit.models.families.base import EncoderFamily

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
)
