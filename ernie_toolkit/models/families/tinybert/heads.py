"""The head for tokens, which PaddleNLP's TinyBERT lacks, and a part of that for texts.

Imports Paddle; import it inside a function.
"""

from typing import Any

import paddle
from paddle import nn
from paddlenlp.transformers import TinyBertConfig, TinyBertModel, TinyBertPretrainedModel

from ernie_toolkit.models.families.outputs import head_outputs, token_loss


class Positive(nn.Layer):
    """What ReLU computes, as another operator.

    PaddleNLP's head puts a ReLU on the pooler's tanh. Paddle Inference 3.3 with oneDNN fuses the two with the product
    before them, and leaves the tanh out.
    """

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Values that are not negative, zero for the others, of the same shape."""
        return paddle.maximum(x, paddle.zeros_like(x))


class TinyBertForTokenClassification(TinyBertPretrainedModel):
    """TinyBERT with a label for each token; its weights have the names of PaddleNLP's other heads.

    Args:
        config: The configuration.
    """

    def __init__(self, config: TinyBertConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.tinybert = TinyBertModel(config)
        dropout = config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)

    def forward(
        self,
        input_ids: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        attention_mask: Any = None,
        labels: Any = None,
        output_hidden_states: Any = None,
        return_dict: Any = None,
    ) -> Any:
        """Logits of each token, of shape (rows, tokens, labels), and the loss where there are labels.

        Args:
            input_ids: Int64 of shape (rows, tokens).
            token_type_ids: Int64 of shape (rows, tokens).
            position_ids: None: counted from 0.
            attention_mask: None: what is no padding.
            labels: Int64 of shape (rows, tokens), -100 where none counts.
            output_hidden_states: Whether the hidden states of all layers are given.
            return_dict: Whether the answer is PaddleNLP's object, and not a tuple or a tensor.
        """
        outputs = self.tinybert(
            input_ids,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            attention_mask=attention_mask,
            output_hidden_states=output_hidden_states,
            return_dict=return_dict,
        )
        logits = self.classifier(self.dropout(outputs[0]))
        loss = None if labels is None else token_loss(logits, labels)
        return head_outputs(loss, {"logits": logits}, outputs.hidden_states if return_dict else None, return_dict)
