"""ERNIE 1.0, 2.0 and 3.0."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ernie_toolkit.models.families.base import EncoderFamily

if TYPE_CHECKING:
    from paddlenlp.transformers import PretrainedConfig, PretrainedModel

# What PaddleNLP's ERNIE adds to variances, whatever the configuration says.
PADDLENLP_EPSILON = 1e-12


class ErnieFamily(EncoderFamily):
    """ERNIE, whose layers are normalised as the configuration says, which PaddleNLP does not heed."""

    def problem(self, config: Mapping[str, Any]) -> str | None:
        """Whether it is a decoder, whose tokens do not see those after them; and as of every family."""
        return "is_decoder is true: this toolkit computes encoders" if config.get("is_decoder") is True else None

    def transformers_problem(self, config: Mapping[str, Any], head: str) -> str | None:
        """Whether texts are read as of another task than the first, which transformers' are unless they are told so."""
        if config.get("use_task_id") and config.get("task_id"):
            return f"task_id is {config['task_id']}, and transformers' models take task 0 unless each call says another"
        return None

    def remark(self, config: "PretrainedConfig") -> str | None:
        """That normalisation is computed otherwise than PaddleNLP itself would."""
        epsilon = getattr(config, "layer_norm_eps", None)
        if epsilon in (None, PADDLENLP_EPSILON):
            return None
        return (
            f"layer_norm_eps is {epsilon}, which is computed with as in transformers; PaddleNLP itself takes "
            f"{PADDLENLP_EPSILON} in every ERNIE model"
        )

    def prepare(self, model: "PretrainedModel") -> None:
        """Let normalisation add the configuration's `layer_norm_eps` to variances, as transformers does."""
        from paddle import nn

        epsilon = getattr(model.config, "layer_norm_eps", None)
        if epsilon is not None and epsilon != PADDLENLP_EPSILON:
            for layer in model.sublayers():
                if isinstance(layer, nn.LayerNorm):
                    layer._epsilon = epsilon


ERNIE = ErnieFamily(
    "ernie",
    "ERNIE",
    stem="Ernie",
    prefix="ernie",
    new_settings={"use_task_id": False},
    transformers_type="ernie",
)
