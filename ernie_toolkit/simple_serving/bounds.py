"""How many windows the texts of a request make at least, without reading them token by token."""

from collections.abc import Sequence

import numpy as np

from ernie_toolkit.tasks import QuestionAnswering, Task, TokenClassification
from ernie_toolkit.text.features import TextInput

# Each of these characters is a token of its own, whatever the vocabulary, in every release of Unicode.
IDEOGRAPHS = (0x4E00, 0x9FA5)


def least_tokens(text: str) -> int:
    """Its ideographs: other characters may share a token or make none."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    return int(np.count_nonzero((codes >= IDEOGRAPHS[0]) & (codes <= IDEOGRAPHS[1])))


def least_windows(task: Task, inputs: Sequence[TextInput]) -> int:
    """No more rows than `task.encode` makes of these inputs; exactly as many for single texts of ideographs alone."""
    if isinstance(task, QuestionAnswering):
        # A question takes some of the room, and the windows are then more.
        return sum(_windows(least_tokens(text[1]), task.max_seq_length - 3, task.doc_stride) for text in inputs)
    if isinstance(task, TokenClassification):
        return sum(_windows(least_tokens(str(text)), task.max_seq_length - 2, task.window_overlap) for text in inputs)
    return len(inputs)


def _windows(tokens: int, room: int, overlap: int) -> int:
    """As many as `windows.cut` makes."""
    step = room - min(overlap, room // 2)
    return 1 + max(0, -(-(tokens - room) // step))
