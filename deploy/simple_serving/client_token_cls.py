"""Ask a running server_token_cls.py.

python deploy/simple_serving/client_token_cls.py --text 记者在枫坪村见到了教师秦昭岫。
python deploy/simple_serving/client_token_cls.py --dataset msra_ner --is_split_into_words
"""

from collections.abc import Mapping
from typing import Any

from ernie_toolkit.console import print_line
from ernie_toolkit.simple_serving.client import main


def show(data: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Each text and its entities with their first and last character."""
    for text, entities in zip(data["text"], result["value"], strict=True):
        print_line(text)
        for item in entities:
            print_line(f"  {item['label']}\t{item['entity']}\t{item['pos']}\t{item['confidence']:.4f}")


if __name__ == "__main__":
    main("token_cls", __doc__, "msra_ner", show)
