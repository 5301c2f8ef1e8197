"""Ask a running server_multiple_choice.py.

python deploy/simple_serving/client_multiple_choice.py --context 男：我是一名医生。 --question 男的是做什么工作的？ \\
    --choices 司机 医生 教师
python deploy/simple_serving/client_multiple_choice.py --dataset c3
"""

from collections.abc import Mapping
from typing import Any

from ernie_toolkit.console import print_line
from ernie_toolkit.simple_serving.client import main


def show(data: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Each question with its choices, the chosen one and its probability."""
    for number, question in enumerate(result["question"]):
        chosen = f"{result['choice'][number]}\t{result['confidence'][number]:.4f}"
        print_line(f"{question}\t{' / '.join(result['choices'][number])}\t{chosen}")


if __name__ == "__main__":
    main("multiple_choice", __doc__, "c3", show)
