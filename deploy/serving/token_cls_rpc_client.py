"""Ask FastDeploy Serving for entities in texts.

python deploy/serving/token_cls_rpc_client.py --url localhost:8001
python deploy/serving/token_cls_rpc_client.py --text 记者在枫坪村见到了教师秦昭岫。
"""

from __future__ import annotations

from ernie_toolkit.triton.cli import run_client

if __name__ == "__main__":
    run_client("token_cls_rpc_client.py", __doc__, "token_cls")
