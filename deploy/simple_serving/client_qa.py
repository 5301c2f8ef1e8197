"""Ask a running server_qa.py.

python deploy/simple_serving/client_qa.py --question 临江公司的总部在哪里？ --context 临江公司的总部设在白埠市东部。
python deploy/simple_serving/client_qa.py --dataset cmrc2018
"""

from collections.abc import Mapping
from typing import Any

from ernie_toolkit.console import print_line
from ernie_toolkit.simple_serving.client import main


def show(data: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Each question, its answer, and where in the context it stands."""
    for number, question in enumerate(data["question"]):
        start, end = result["start"][number], result["end"][number]
        print_line(f"{question}\t{result['answer'][number]}\t[{start}, {end})\t{result['confidence'][number]:.4f}")


if __name__ == "__main__":
    main("qa", __doc__, "cmrc2018", show)
