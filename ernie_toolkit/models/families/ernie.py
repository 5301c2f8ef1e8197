"""ERNIE 1.0, 2.0 and 3.0."""

from typing import TYPE_CHECKING

from ernie_toolkit.models.families.base import EncoderFamily

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedModel


class ErnieFamily(EncoderFamily):
    """ERNIE, whose normalisation PaddleNLP computes with 1e-12 whatever the configuration says."""

    def prepare(self, model: "PretrainedModel") -> None:
        """Let normalisation add the `layer_norm_eps` of the configuration, which models of transformers set to 1e-5."""
        from paddle import nn

        for layer in model.sublayers():
            if isinstance(layer, nn.LayerNorm):
                layer._epsilon = model.config.layer_norm_eps


ERNIE = ErnieFamily("ernie", "ERNIE", stem="Ernie", prefix="ernie", new_settings={"use_task_id": False})
