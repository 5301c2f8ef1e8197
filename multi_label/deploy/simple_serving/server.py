"""Serve a multi-label model over HTTP, for clients of PaddleNLP's SimpleServing.

    python multi_label/deploy/simple_serving/server.py --model_path ./export --port 8189

A page to try it out is at /. Under uvicorn itself, arguments that are not uvicorn's come from $ERNIE_SERVING_ARGS:

    uvicorn --app-dir multi_label/deploy/simple_serving server:app --port 8189
"""

from typing import Any

from ernie_toolkit.simple_serving.cli import lazy_app, main

TASK = "multi_label"


def __getattr__(name: str) -> Any:
    return lazy_app(TASK, name)


if __name__ == "__main__":
    main(TASK, __doc__)
