"""Answer questions from contexts with FastDeploy.

python deploy/python/qa_infer.py --device cpu --backend onnx_runtime
python deploy/python/qa_infer.py --question 临江公司的总部在哪里？ --context 临江公司的总部设在白埠市东部。
"""

from __future__ import annotations

from typing import Sequence

from fastdeploy_predictor import build_parser, run

from ernie_toolkit.console import exit_on_toolkit_error

TASK = "qa"


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and run."""
    parser = build_parser("qa_infer.py", __doc__, TASK)
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        run(args, TASK)


if __name__ == "__main__":
    main()
