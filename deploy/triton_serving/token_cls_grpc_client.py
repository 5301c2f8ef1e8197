"""Ask a Triton server for entities in texts.

python deploy/triton_serving/token_cls_grpc_client.py --url localhost:8001
python deploy/triton_serving/token_cls_grpc_client.py --text 记者在枫坪村见到了教师秦昭岫。
"""

from __future__ import annotations

from ernie_toolkit.triton.cli import run_client

if __name__ == "__main__":
    run_client("token_cls_grpc_client.py", __doc__, "token_cls")
