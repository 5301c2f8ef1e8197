"""Classify texts or pairs with FastDeploy.

python deploy/python/seq_cls_infer.py --device cpu --backend onnx_runtime
python deploy/python/seq_cls_infer.py --text 怎么还款 --text_pair 如何还款
"""

from __future__ import annotations

from typing import Sequence

from fastdeploy_predictor import build_parser, run

from ernie_toolkit.console import exit_on_toolkit_error

TASK = "seq_cls"


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and run."""
    parser = build_parser("seq_cls_infer.py", __doc__, TASK)
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        run(args, TASK)


if __name__ == "__main__":
    main()
