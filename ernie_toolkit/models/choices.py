"""The model that reads one choice in a row, and its loss over the choices of each question.

Imports Paddle; import it inside a function.
"""

from functools import lru_cache
from typing import Any

import paddle

from ernie_toolkit.models.families.outputs import head_outputs


def choice_log_probabilities(logits: paddle.Tensor, questions: paddle.Tensor) -> paddle.Tensor:
    """The logarithm of each choice's probability among those of its own question, float of shape (rows,).

    Args:
        logits: Float of shape (rows,) or (rows, 1), a row for each choice.
        questions: Int64 of shape (rows,), equal for the choices of one question.
    """
    logits = logits.reshape([-1])
    same = questions.unsqueeze(1) == questions.unsqueeze(0)
    # The lowest number that is one in float16 too.
    others = paddle.where(same, logits.unsqueeze(0).expand_as(same), paddle.full([1], -65504.0, logits.dtype))
    return logits - paddle.logsumexp(others, axis=1)


def choice_loss(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
    """The mean over questions of how improbable each right choice is, in nats.

    Args:
        logits: Float of shape (rows, 1), a row for each choice.
        labels: Int64 of shape (rows, 2): the question's number, and 1 for its right choice, else 0.
    """
    right = labels[:, 1].astype(logits.dtype)
    return -(choice_log_probabilities(logits, labels[:, 0]) * right).sum() / right.sum()


class ChoiceRows:
    """The forward pass of a model for multiple choice whose questions have different numbers of choices.

    PaddleNLP's reads (questions, choices, tokens), with as many choices for each question; here a row is one choice, as
    in the graphs that deployments read, and the labels say which rows belong together.
    """

    base_model_prefix: str
    dropout: Any
    classifier: Any

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
        """Logits of each row, and the loss where there are labels.

        Args:
            input_ids: Int64 of shape (rows, tokens).
            token_type_ids: Int64 of shape (rows, tokens).
            position_ids: None: counted from 0.
            attention_mask: None: what is no padding.
            labels: Int64 of shape (rows, 2): the question's number, and 1 for its right choice, else 0.
            output_hidden_states: Whether the hidden states of all layers are given.
            return_dict: Whether the answer is PaddleNLP's object, and not a tuple or a tensor.

        Returns:
            Logits of shape (rows, 1); before them the loss, where there are labels.
        """
        encoder = getattr(self, self.base_model_prefix)
        outputs = encoder(
            input_ids,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            attention_mask=attention_mask,
            output_hidden_states=output_hidden_states,
            return_dict=return_dict,
        )
        logits = self.classifier(self.dropout(outputs[1]))
        loss = None if labels is None else choice_loss(logits, labels)
        return head_outputs(loss, {"logits": logits}, outputs.hidden_states if return_dict else None, return_dict)


@lru_cache(maxsize=None)
def with_choice_rows(model_class: Any) -> Any:
    """A subclass, of the same name, weights and meaning, that reads one choice in a row.

    Args:
        model_class: PaddleNLP's class of a model for multiple choice.
    """
    return type(model_class)(model_class.__name__, (ChoiceRows, model_class), {"__module__": __name__})
