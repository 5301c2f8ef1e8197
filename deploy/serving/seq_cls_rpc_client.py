"""Ask FastDeploy Serving for labels of texts or pairs.

python deploy/serving/seq_cls_rpc_client.py --url localhost:8001
python deploy/serving/seq_cls_rpc_client.py --text 怎么还款 --text_pair 如何还款
"""

from __future__ import annotations

from ernie_toolkit.triton.cli import run_client

if __name__ == "__main__":
    run_client("seq_cls_rpc_client.py", __doc__, "seq_cls")
