"""Ask a running server_seq_cls.py.

python deploy/simple_serving/client_seq_cls.py
python deploy/simple_serving/client_seq_cls.py --text 在哪里重设校园卡密码 --text_pair 校园卡密码忘了
python deploy/simple_serving/client_seq_cls.py --dataset afqmc
"""

from collections.abc import Mapping
from typing import Any

from ernie_toolkit.console import print_line
from ernie_toolkit.simple_serving.client import main


def show(data: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """A line for each text: the label's index, its name, its probability, and the text."""
    pairs = data.get("text_pair") or [None] * len(data["text"])
    for number, (text, pair) in enumerate(zip(data["text"], pairs, strict=True)):
        name, confidence = result["label_name"][number], result["confidence"][number]
        print_line(f"{result['label'][number]}\t{name}\t{confidence:.4f}\t{text}{f' | {pair}' if pair else ''}")


if __name__ == "__main__":
    main("seq_cls", __doc__, "afqmc", show)
