"""The head that PaddleNLP has none of for ERNIE-Gram. Imports Paddle; import it inside a function."""

from paddle import nn
from paddlenlp.transformers import ErnieGramConfig, ErnieGramModel, ErnieGramPretrainedModel

from ernie_toolkit.models.choices import ChoiceRows


class ErnieGramForMultipleChoice(ChoiceRows, ErnieGramPretrainedModel):
    """ERNIE-Gram that scores one choice in a row; its weights have the names of PaddleNLP's other heads.

    Args:
        config: The configuration.
    """

    def __init__(self, config: ErnieGramConfig) -> None:
        super().__init__(config)
        self.ernie_gram = ErnieGramModel(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, 1)
