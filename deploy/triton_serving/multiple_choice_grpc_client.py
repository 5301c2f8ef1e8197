"""Ask a Triton server to choose answers.

python deploy/triton_serving/multiple_choice_grpc_client.py --url localhost:8001
python deploy/triton_serving/multiple_choice_grpc_client.py --context 男：我是一名医生。 \\
    --question 男的是做什么工作的？ --choices 司机 医生 教师
"""

from __future__ import annotations

from ernie_toolkit.triton.cli import run_client

if __name__ == "__main__":
    run_client("multiple_choice_grpc_client.py", __doc__, "multiple_choice")
