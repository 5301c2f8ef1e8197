"""Rotary positions in a form that can be exported. Imports Paddle; import it inside a function."""

import paddle
from paddle import nn


class Rotary(nn.Layer):
    """What PaddleNLP's RotaryPositionEmbedding computes, for any number of tokens in a static graph too.

    PaddleNLP slices its tables by a length that is -1 in a static graph: the exported model reads sequences of one
    token less than the tables have rows, and no others. Su et al., 2021 (https://arxiv.org/abs/2104.09864).

    Args:
        layer: PaddleNLP's, whose tables of sines and cosines are taken; each of shape (positions, head_dim / 2).
    """

    def __init__(self, layer: nn.Layer) -> None:
        super().__init__()
        self.register_buffer("sin", layer.sin, persistable=False)
        self.register_buffer("cos", layer.cos, persistable=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Turn pairs of neighbouring values by an angle that grows with the token's place.

        Args:
            x: Float of shape (rows, heads, tokens, head_dim).

        Returns:
            Float of the same shape.
        """
        places = paddle.arange(paddle.shape(x)[2])
        sin, cos = paddle.gather(self.sin, places), paddle.gather(self.cos, places)
        even, odd = x[..., 0::2], x[..., 1::2]
        return paddle.stack([even * cos - odd * sin, even * sin + odd * cos], axis=-1).flatten(-2, -1)
