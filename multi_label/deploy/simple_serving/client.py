"""Ask a running server.py for the labels of texts.

python multi_label/deploy/simple_serving/client.py
python multi_label/deploy/simple_serving/client.py --prob_limit 0.3 --text 快递当天就到了，不过外盒压得变形。
"""

from collections.abc import Mapping
from typing import Any

from ernie_toolkit.inference.console import show_labels
from ernie_toolkit.simple_serving.client import main


def show(data: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """For each text its labels and their probabilities."""
    for row in zip(data["text"], result["label_name"], result["confidence"], strict=True):
        print(show_labels(*row))


if __name__ == "__main__":
    main("multi_label", __doc__, None, show)
