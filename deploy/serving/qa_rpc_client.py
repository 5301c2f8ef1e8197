"""Ask FastDeploy Serving for answers to questions.

python deploy/serving/qa_rpc_client.py --url localhost:8001
python deploy/serving/qa_rpc_client.py --question 临江公司的总部在哪里？ --context 临江公司的总部设在白埠市东部。
"""

from __future__ import annotations

from ernie_toolkit.triton.cli import run_client

if __name__ == "__main__":
    run_client("qa_rpc_client.py", __doc__, "qa")
