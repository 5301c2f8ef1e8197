"""The service as Paddle Serving's parts: reading requests, the operator, the server. Imports Paddle Serving.

Interfaces: https://github.com/PaddlePaddle/Serving/blob/v0.9.0/doc/Python_Pipeline/Pipeline_Design_CN.md
"""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Mapping
from typing import Any, List, cast

import numpy as np
from paddle_serving_server.pipeline import Op, PipelineServer, RequestOp, ResponseOp

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.decoding import LabelSetAnswer
from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.inference.predictor import Predictor, bundle_task, with_threshold
from ernie_toolkit.paddle_serving.options import OPERATOR, ServiceOptions
from ernie_toolkit.paddle_serving.wire import answer_columns, parse_texts, parse_threshold
from ernie_toolkit.text.dataset import EncodedDataset

USER_INPUT_ERROR = 5000  # Paddle Serving's number for it
BATCH_SIZE = 32
_PR_SET_PDEATHSIG = 1


class StringRequest(RequestOp):
    """Takes the strings of a request and refuses its tensors: Paddle Serving would unpickle what is in them."""

    def unpack_request_package(self, request: Any) -> tuple[dict[str, str], int, int | None, str]:
        """The strings by name, the request's number, and an error's number and reason where there is one."""
        if request.tensors:
            return {}, request.logid, USER_INPUT_ERROR, "this service takes texts under 'key' and 'value', no tensors"
        if len(request.key) != len(request.value):
            reason = f"{len(request.key)} key(s) and {len(request.value)} value(s): there must be one for each"
            return {}, request.logid, USER_INPUT_ERROR, reason
        return dict(strict_zip(request.key, request.value)), request.logid, None, ""


class LabelOp(Op):
    """Texts to labels. Rows of several requests may be computed together; labels are chosen for each by itself.

    Args:
        request_op: What reads the requests.
        predictor: Opened, and asked once (see `model.open_predictor`).
        options: How the service is set up.
    """

    def __init__(self, request_op: RequestOp, predictor: Predictor, options: ServiceOptions) -> None:
        super().__init__(name=OPERATOR, input_ops=[request_op])
        self.predictor = predictor
        self.options = options

    def init_op(self) -> None:
        """Have `process` called, though Paddle Serving knows of no model."""
        self.with_serving = True

    def preprocess(
        self, input_dicts: Mapping[str, Mapping[str, str]], data_id: int = 0, log_id: int = 0
    ) -> tuple[dict[str, np.ndarray], bool, int | None, str]:
        """The rows of a request, an object array, which is what several requests can be joined by."""
        (request,) = input_dicts.values()
        try:
            parse_threshold(request)
            texts = parse_texts(request, self.options.max_texts)
            features = self.predictor.task.encode(self.predictor.tokenizer, texts).features
        except ToolkitError as error:
            return {}, True, USER_INPUT_ERROR, str(error)
        rows = np.empty(len(features), dtype=object)
        for number, item in enumerate(features):
            rows[number] = item
        return {"rows": rows}, False, None, ""

    def process(
        self, feed_batch: list[dict[str, np.ndarray]], typical_logid: int = 0
    ) -> tuple[dict[str, np.ndarray], int, str]:
        """Logits of shape (rows, labels)."""
        rows = EncodedDataset(feed_batch[0]["rows"].tolist(), self.predictor.tokenizer.special.pad)
        return {"logits": np.asarray(self.predictor.run(rows, BATCH_SIZE))}, 0, ""

    def postprocess(
        self,
        input_data: Mapping[str, Mapping[str, str]],
        fetch_data: Mapping[str, np.ndarray],
        data_id: int = 0,
        log_id: int = 0,
    ) -> tuple[dict[str, str], int | None, str]:
        """The answer's strings."""
        (request,) = input_data.values()
        bundle, threshold = self.predictor.bundle, parse_threshold(request)
        task = self.predictor.task
        if threshold is not None:
            task = bundle_task(with_threshold(bundle.info, threshold), bundle.directory)
        rows = EncodedDataset([], self.predictor.tokenizer.special.pad)
        answers = cast("List[LabelSetAnswer]", task.decode(rows, list(fetch_data["logits"]), []))
        return answer_columns(answers), None, ""


class Server(PipelineServer):
    """A server whose HTTP gateway, a process of its own, ends with it however it ends."""

    def _grpc_gateway(self, grpc_port: int, http_port: int) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)  # the gateway's own code never comes back to Python
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        super()._grpc_gateway(grpc_port, http_port)

    def _run_grpc_gateway(self, grpc_port: int, http_port: int) -> None:
        super()._run_grpc_gateway(grpc_port, http_port)
        sys.stderr.write(f"ready: RPC {grpc_port}, HTTP {http_port}, POST /{OPERATOR}/prediction\n")
        sys.stderr.flush()


def serve(predictor: Predictor, options: ServiceOptions) -> None:
    """Serve until a signal ends the process.

    Args:
        predictor: Opened, and asked once (see `model.open_predictor`).
        options: How the service is set up.
    """
    sys.stderr.write(f"engine: {predictor.choice}\n")
    server = Server(OPERATOR)
    server.set_response_op(ResponseOp(input_ops=[LabelOp(StringRequest(), predictor, options)]))
    server.prepare_server(yml_dict=options.pipeline)
    server.run_server()
