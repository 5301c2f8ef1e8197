"""Ask a Triton server for labels of texts or pairs.

python deploy/triton_serving/seq_cls_grpc_client.py --url localhost:8001
python deploy/triton_serving/seq_cls_grpc_client.py --text 怎么还款 --text_pair 如何还款
"""

from __future__ import annotations

from ernie_toolkit.triton.cli import run_client

if __name__ == "__main__":
    run_client("seq_cls_grpc_client.py", __doc__, "seq_cls")
