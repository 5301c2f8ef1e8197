"""A gRPC client of the ensembles: texts in, answers as every deployment writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.inference.packages import packages_of
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.text.features import Texts, as_inputs
from ernie_toolkit.triton.interface import Interface, text_arrays

if TYPE_CHECKING:
    from tritonclient.grpc import InferenceServerClient


REQUIREMENTS = "deploy/triton_serving/requirements.txt"


class ServerError(ToolkitError):
    """The server could not be reached, or refused a request."""


def connect(url: str, interface: Interface) -> InferenceServerClient:
    """A client of a server that is ready for an ensemble.

    Args:
        url: The server's gRPC address, HOST:PORT.
        interface: The ensemble.

    Raises:
        ServerError: Where the server is not ready.
        ConfigError: Where tritonclient is not installed.
    """
    with packages_of(REQUIREMENTS):
        from tritonclient.grpc import InferenceServerClient
        from tritonclient.utils import InferenceServerException
    client = InferenceServerClient(url)
    try:
        if client.is_model_ready(interface.name):
            return client
    except InferenceServerException as error:
        raise ServerError(f"no Triton server answers at {url} ({error.message()}): start one, or give `url`") from error
    raise ServerError(f"the server at {url} has no model '{interface.name}': build its repository for this task")


def ask(client: InferenceServerClient, interface: Interface, texts: Texts, timeout: float = 60) -> list[dict[str, Any]]:
    """The answer to each text, with the fields of `Answer.fields` that the ensemble gives; labels by index.

    Args:
        client: Of `connect`.
        interface: The ensemble.
        texts: As `as_inputs` takes them; pairs where the ensemble reads them.
        timeout: Seconds that the request may take.

    Raises:
        DataError: On inputs that the ensemble does not read.
        ServerError: With the server's reason.
    """
    rows = as_inputs(texts, interface.text_format)
    if not rows:
        return []
    from tritonclient.grpc import InferInput
    from tritonclient.utils import InferenceServerException

    inputs = []
    for item, data in strict_zip(interface.texts, text_arrays(rows, interface)):
        tensor = InferInput(item.name, list(data.shape), "BYTES")
        tensor.set_data_from_numpy(data)
        inputs.append(tensor)
    try:
        result = client.infer(interface.name, inputs, client_timeout=timeout)
    except InferenceServerException as error:
        raise ServerError(f"the server refused: {error.message()}") from error
    columns = {
        item.name: result.as_numpy(item.name).reshape(-1 if item.dims == (1,) else (len(rows), -1)).tolist()
        for item in interface.answers
    }
    return [
        TASKS[interface.task].answer_fields(dict(strict_zip(columns, row))) for row in strict_zip(*columns.values())
    ]
