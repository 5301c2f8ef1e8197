"""PaddleNLP's heads of RoFormerV2 with losses, and hidden states. Imports Paddle; import it inside a function."""

from typing import Any

import paddle
from paddlenlp.transformers import RoFormerv2ForMultipleChoice as PaddleForMultipleChoice
from paddlenlp.transformers import RoFormerv2ForQuestionAnswering as PaddleForQuestionAnswering
from paddlenlp.transformers import RoFormerv2ForSequenceClassification as PaddleForSequenceClassification
from paddlenlp.transformers import RoFormerv2ForTokenClassification as PaddleForTokenClassification

from ernie_toolkit.models.choices import choice_loss
from ernie_toolkit.models.families.outputs import head_outputs, sequence_loss, span_loss, token_loss


class RoFormerv2Rows:
    """The way from tokens to a head, the same for every head.

    Attributes:
        roformerv2: The encoder.
        dropout: What is dropped before the head.
        classifier: The head.
    """

    roformerv2: Any
    dropout: Any
    classifier: Any

    def encoded(self, input_ids: Any, token_type_ids: Any, attention_mask: Any, all_layers: Any) -> tuple[Any, Any]:
        """The last layer's output, of shape (rows, tokens, hidden_size), and all layers' where they are wanted.

        Args:
            input_ids: Int64 of shape (rows, tokens).
            token_type_ids: Int64 of shape (rows, tokens), or None for zeros.
            attention_mask: Of shape (rows, tokens), 0 at padding; None: found by the padding's id.
            all_layers: Whether the embeddings' and every layer's output are given too.
        """
        encoder = self.roformerv2
        if not all_layers:
            return encoder(input_ids, token_type_ids=token_type_ids, attention_mask=attention_mask), None
        # PaddleNLP's own list lacks the embeddings, which a student learns from too.
        if attention_mask is None:
            attention_mask = input_ids != encoder.pad_token_id
        hidden = encoder.embeddings(input_ids=input_ids, token_type_ids=token_type_ids)
        mask = (1.0 - attention_mask.astype(hidden.dtype)).unsqueeze([1, 2]) * -1e4
        states = [hidden]
        for layer in encoder.encoder.layers:
            states.append(layer(states[-1], src_mask=mask))
        return states[-1], tuple(states)


class RoFormerv2Labelled(RoFormerv2Rows):
    """The forward pass of a head whose targets are `labels`: each says what it reads, and the loss of its logits."""

    _loss: Any

    def forward(
        self,
        input_ids: Any = None,
        token_type_ids: Any = None,
        attention_mask: Any = None,
        labels: Any = None,
        output_hidden_states: Any = None,
        return_dict: Any = None,
    ) -> Any:
        """Logits of what the head reads, and the loss where there are labels.

        Args:
            input_ids: Int64 of shape (rows, tokens).
            token_type_ids: Int64 of shape (rows, tokens).
            attention_mask: None: what is no padding.
            labels: As the loss of the head takes them (see `outputs` and `models.choices`).
            output_hidden_states: Whether the hidden states of all layers are given.
            return_dict: Whether the answer is an object, and not a tuple or a tensor.
        """
        output, states = self.encoded(input_ids, token_type_ids, attention_mask, output_hidden_states)
        logits = self.classifier(self.dropout(self._read(output)))
        loss = None if labels is None else self._loss(logits, labels)
        return head_outputs(loss, {"logits": logits}, states, return_dict)

    def _read(self, output: Any) -> Any:
        """What the head reads of the encoder's output: the first token, which stands for the whole row."""
        return output[:, 0]


class RoFormerv2ForSequenceClassification(RoFormerv2Labelled, PaddleForSequenceClassification):
    """PaddleNLP's model of the same name and weights: logits of shape (rows, labels)."""

    def _loss(self, logits: Any, labels: Any) -> Any:
        """See `outputs.sequence_loss`."""
        return sequence_loss(logits, labels, self.config.problem_type)


class RoFormerv2ForTokenClassification(RoFormerv2Labelled, PaddleForTokenClassification):
    """PaddleNLP's model of the same name and weights: logits of shape (rows, tokens, labels)."""

    def _read(self, output: Any) -> Any:
        """Every token."""
        return output

    def _loss(self, logits: Any, labels: Any) -> Any:
        """See `outputs.token_loss`."""
        return token_loss(logits, labels)


class RoFormerv2ForQuestionAnswering(RoFormerv2Rows, PaddleForQuestionAnswering):
    """PaddleNLP's model of the same name and weights."""

    def forward(
        self,
        input_ids: Any = None,
        token_type_ids: Any = None,
        attention_mask: Any = None,
        start_positions: Any = None,
        end_positions: Any = None,
        output_hidden_states: Any = None,
        return_dict: Any = None,
    ) -> Any:
        """Logits of starts and of ends, each of shape (rows, tokens), and the loss where there are targets.

        Args:
            input_ids: Int64 of shape (rows, tokens).
            token_type_ids: Int64 of shape (rows, tokens).
            attention_mask: None: what is no padding.
            start_positions: Int64 of shape (rows,).
            end_positions: Int64 of shape (rows,).
            output_hidden_states: Whether the hidden states of all layers are given.
            return_dict: Whether the answer is an object, and not a tuple.
        """
        output, states = self.encoded(input_ids, token_type_ids, attention_mask, output_hidden_states)
        start_logits, end_logits = paddle.unstack(self.classifier(output), axis=-1)
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = span_loss(start_logits, end_logits, start_positions, end_positions)
        logits = {"start_logits": start_logits, "end_logits": end_logits}
        return head_outputs(loss, logits, states, return_dict)


class RoFormerv2ForMultipleChoice(RoFormerv2Labelled, PaddleForMultipleChoice):
    """PaddleNLP's model of the same name and weights, with one choice in a row (see `models.choices.ChoiceRows`)."""

    def _loss(self, logits: Any, labels: Any) -> Any:
        """See `models.choices.choice_loss`."""
        return choice_loss(logits, labels)


CLASSES: dict[str, Any] = {
    "sequence": RoFormerv2ForSequenceClassification,
    "token": RoFormerv2ForTokenClassification,
    "span": RoFormerv2ForQuestionAnswering,
    "choice": RoFormerv2ForMultipleChoice,
}
"""By head (see `tasks.HEADS`)."""
