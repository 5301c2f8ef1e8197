"""Find entities in texts with FastDeploy.

python deploy/python/token_cls_infer.py --device cpu --backend onnx_runtime
python deploy/python/token_cls_infer.py --text 记者在枫坪村见到了教师秦昭岫。
"""

from __future__ import annotations

from typing import Sequence

from fastdeploy_predictor import build_parser, run

from ernie_toolkit.console import exit_on_toolkit_error

TASK = "token_cls"


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments and run."""
    parser = build_parser("token_cls_infer.py", __doc__, TASK)
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        run(args, TASK)


if __name__ == "__main__":
    main()
