"""ERNIE-Gram: ERNIE's layers, pretrained on n-grams."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ernie_toolkit.formats.ranges import Range
from ernie_toolkit.models.families.base import BERT_SIZES, EncoderFamily

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedModel

_SIZE = Range(1, 10**8)


class ErnieGramFamily(EncoderFamily):
    """ERNIE-Gram, with a head for multiple choice, which PaddleNLP's lacks."""

    def problem(self, config: Mapping[str, Any]) -> str | None:
        """Whether embeddings have another width than layers: PaddleNLP's model has nothing between the two."""
        width = config.get("embedding_size", BERT_SIZES["hidden_size"])
        if width != config["hidden_size"]:
            return f"embedding_size is {width}: it must be hidden_size, {config['hidden_size']}"
        return None

    def head_class(self, head: str) -> "type[PretrainedModel]":
        """As of every family; the head for multiple choice is the toolkit's own."""
        if head != "choice":
            return super().head_class(head)
        from ernie_toolkit.models.families.ernie_gram.heads import ErnieGramForMultipleChoice

        return ErnieGramForMultipleChoice


ERNIE_GRAM = ErnieGramFamily(
    "ernie_gram",
    "ERNIE-Gram",
    stem="ErnieGram",
    prefix="ernie_gram",
    aliases=("ernie-gram",),
    default_sizes={**BERT_SIZES, "vocab_size": 18018, "type_vocab_size": 2},
    counts={"embedding_size": _SIZE, "rel_pos_size": _SIZE},
    may_be_null=("rel_pos_size",),
    tables=("rel_pos_size",),
)
