"""Choose answers to questions on contexts over HTTP, for clients of PaddleNLP's SimpleServing.

    python deploy/simple_serving/server_multiple_choice.py --model_path best_models/NAME/export --port 8189

A page to try it out is at /. Under uvicorn itself, arguments that are not uvicorn's come from $ERNIE_SERVING_ARGS:

    uvicorn --app-dir deploy/simple_serving server_multiple_choice:app --port 8189
"""

from typing import Any

from ernie_toolkit.simple_serving.cli import lazy_app, main

TASK = "multiple_choice"


def __getattr__(name: str) -> Any:
    return lazy_app(TASK, name)


if __name__ == "__main__":
    main(TASK, __doc__)
