"""The Python models of a repository: tokenizer, model, postprocess.

Each is a `TritonPythonModel` of Triton's Python backend
(https://github.com/triton-inference-server/python_backend); `triton_python_backend_utils` exists only inside the
server. The bundle lies in the model step's version folder, beside which the other steps find it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ernie_toolkit.bundle import Bundle, read_bundle
from ernie_toolkit.bundle.graph import check_logits
from ernie_toolkit.bundle.info import INPUTS, LATENCY
from ernie_toolkit.compat import strict_zip
from ernie_toolkit.errors import BundleError, ToolkitError
from ernie_toolkit.files.parsing import parse_json_object
from ernie_toolkit.formats.ranges import COUNT, THREADS_OR_ALL, Range, check_number, whole_number
from ernie_toolkit.inference.engines.base import AUTO, EngineOptions
from ernie_toolkit.inference.engines.selection import choose, open_runtime
from ernie_toolkit.inference.predictor import bundle_task
from ernie_toolkit.tasks import HEADS, TASKS
from ernie_toolkit.text.dataset import Batch, EncodedDataset, row_logits
from ernie_toolkit.text.features import TextInput, pad_batch
from ernie_toolkit.text.formats import PAIR_FORMATS
from ernie_toolkit.text.tokenization import load_tokenizer
from ernie_toolkit.text.windows import Window
from ernie_toolkit.triton.interface import Interface, interface_of, join_choices, join_texts


class Step:
    """What the three steps share: the configuration, the bundle, one response or error for each request."""

    def initialize(self, args: dict[str, str]) -> None:
        """Called by the server once for each instance; `args` as Triton's documentation of the backend says."""
        config = parse_json_object(args["model_config"], "config.pbtxt", BundleError, "build the repository again")
        self.parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        self.inputs = [item["name"] for item in config["input"]]
        self.outputs = [item["name"] for item in config["output"]]
        self.bundle = self._bundle(args)
        self.prepare(args)

    def _bundle(self, args: dict[str, str]) -> Bundle:
        repository = Path(args["model_repository"]).parent
        return read_bundle(repository / self.parameters["bundle"], self.parameters.get("verify") != "false")

    def prepare(self, args: dict[str, str]) -> None:
        """Set up what `compute` needs."""
        info = self.bundle.info
        self.task = bundle_task(info, self.bundle.directory)
        self.interface: Interface = interface_of(info.task, info.text_format in PAIR_FORMATS)
        self.tokenizer = load_tokenizer(self.bundle.path("tokenizer"))
        self.no_rows = EncodedDataset([], self.tokenizer.special.pad)

    def count(self, name: str, allowed: Range) -> int:
        """A parameter that is a whole number.

        Args:
            name: The parameter's name.
            allowed: The values that it may have.

        Raises:
            ConfigError: On any other value.
        """
        try:
            value: object = whole_number(self.parameters[name])
        except ValueError:
            value = self.parameters[name]
        return int(check_number(value, int, allowed, f"config.pbtxt: {name}"))

    def compute(self, request: Any) -> list[np.ndarray]:
        """The outputs of one request, in the order of the configuration."""
        raise NotImplementedError

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One response for each request; a request that cannot be answered gets its own error."""
        return [respond(self.outputs, lambda: self.compute(request)) for request in requests]  # noqa: B023

    def texts(self, request: Any) -> list[TextInput]:
        """The inputs of a request, as the task reads them."""
        columns = [tensor(request, item.name) for item in self.interface.texts]
        if self.interface.choices:
            return decoded_choices(columns[0].reshape(-1), columns[1].reshape(-1), columns[2])
        return decoded([column.reshape(-1) for column in columns])


def tensor(request: Any, name: str) -> np.ndarray:
    """An input of a request as an array.

    Args:
        request: Triton's request.
        name: The input's name.
    """
    import triton_python_backend_utils as pb_utils

    array: np.ndarray = pb_utils.get_input_tensor_by_name(request, name).as_numpy()
    return array


def respond(names: Sequence[str], compute: Callable[[], Sequence[np.ndarray]]) -> Any:
    """A response with some arrays, or with the error of bad input.

    Args:
        names: The outputs, in order.
        compute: Gives their arrays, or raises a ToolkitError.
    """
    import triton_python_backend_utils as pb_utils

    try:
        arrays = compute()
    except ToolkitError as error:
        return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in strict_zip(names, arrays)])


def decoded(columns: Sequence[np.ndarray]) -> list[TextInput]:
    """Inputs of a task from the bytes of each input tensor.

    Raises:
        ToolkitError: Where they are not UTF-8.
    """
    return join_texts([list(map(_text, column.tolist())) for column in columns])


def decoded_choices(contexts: np.ndarray, questions: np.ndarray, choices: np.ndarray) -> list[TextInput]:
    """Inputs with choices from the bytes of each input tensor (see `join_choices`).

    Args:
        contexts: Bytes of shape (inputs,).
        questions: Bytes of shape (inputs,).
        choices: Bytes of shape (inputs, choices).

    Raises:
        ToolkitError: Where they are not UTF-8.
    """
    first, second = (list(map(_text, column.tolist())) for column in (contexts, questions))
    return join_choices(first, second, [list(map(_text, row)) for row in choices.tolist()])


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ToolkitError(f"a text is not UTF-8 ({error.reason} at byte {error.start})") from None


class TokenizerModel(Step):
    """Texts to `input_ids` and `token_type_ids`, int64 of shape (rows, tokens).

    There is a row for each text, or for each of the windows of long ones.
    """

    def prepare(self, args: dict[str, str]) -> None:
        """Compare the configuration with the bundle, which may have been put there after it was written."""
        super().prepare(args)
        wanted = [item.name for item in self.interface.texts]
        if self.inputs != wanted:
            raise BundleError(
                f"config.pbtxt has {' and '.join(self.inputs)}, the bundle in {self.bundle.directory} reads "
                f"{' and '.join(wanted)}: build the repository for it (build_repository.py --model_path)"
            )

    def compute(self, request: Any) -> list[np.ndarray]:
        """All rows of a request, padded to the longest, or on to the next multiple of "pad_multiple"."""
        inputs = self.texts(request)
        rows = self.task.encode(self.tokenizer, inputs)
        multiple = self.count("pad_multiple", COUNT)
        longest = -(-max(rows.lengths()) // multiple) * multiple
        batch = pad_batch(rows.features, rows.pad_id, min(longest, max(self.task.max_seq_length, longest % multiple)))
        arrays = [batch[name] for name in INPUTS]
        return [*arrays, self._passed(rows, inputs)] if self.interface.windows else arrays

    def _passed(self, rows: EncodedDataset, inputs: Sequence[TextInput]) -> np.ndarray:
        texts = np.full((len(rows), len(self.interface.texts)), b"", dtype=np.object_)
        if self.interface.choices:
            begin = 0
            for context, question, *choices in map(self.task.request_values, inputs):
                texts[begin, :2] = context.encode("utf-8"), question.encode("utf-8")
                end = begin + len(choices[0])
                texts[begin:end, 2] = [choice.encode("utf-8") for choice in choices[0]]
                begin = end
            return texts
        sources = [window.source for window in cast("Sequence[Window]", rows.features)]
        for number, given in enumerate(inputs):
            for place, text in enumerate([given] if isinstance(given, str) else given):
                texts[sources.index(number), place] = text.encode("utf-8")
        return texts


class OnnxModel(Step):
    """Rows to logits, by an engine on the CPU or GPU that the instance was given."""

    def prepare(self, args: dict[str, str]) -> None:
        """Open the session."""
        from ernie_toolkit.inference.engines.gpu import GpuOptions

        device = "gpu" if args["model_instance_kind"] == "GPU" else "cpu"
        threads = self.count("num_threads", THREADS_OR_ALL) or None
        gpu = GpuOptions(int(args["model_instance_device_id"])) if device == "gpu" else None
        # Repositories that were built before there were several engines name none.
        engine = self.parameters.get("engine", AUTO)
        choice = choose(self.bundle, engine, self.parameters["precision"], device, LATENCY)
        print(f"{args['model_name']}: {choice}", flush=True)
        self.runtime = open_runtime(self.bundle, choice, EngineOptions(threads, gpu=gpu))
        self.pad_id = load_tokenizer(self.bundle.path("tokenizer")).special.pad
        self.max_rows = self.count("max_rows", COUNT)
        self.token_axis = HEADS[TASKS[self.bundle.info.task].head].tokens

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """The logits of each request; requests that the server handed over together are computed together."""
        given = [[tensor(request, name) for name in INPUTS] for request in requests]
        answers: dict[int, list[np.ndarray]] = {}
        for group in groups([arrays[0].shape for arrays in given], self.max_rows):
            answers.update(strict_zip(group, self._run([given[index] for index in group])))
        return [respond(self.outputs, lambda: answers[index]) for index in range(len(requests))]  # noqa: B023

    def _run(self, given: Sequence[Sequence[np.ndarray]]) -> list[list[np.ndarray]]:
        longest = max(arrays[0].shape[1] for arrays in given)
        batch = {
            name: np.concatenate(
                [
                    np.pad(arrays[place], ((0, 0), (0, longest - arrays[place].shape[1])), constant_values=fill)
                    for arrays in given
                ]
            )
            for place, (name, fill) in enumerate(strict_zip(INPUTS, (self.pad_id, 0)))
        }
        found = self._infer(batch)
        ends = np.cumsum([len(arrays[0]) for arrays in given])
        parts = []
        for arrays, end in strict_zip(given, ends):
            rows, tokens = arrays[0].shape
            cut = [output[end - rows : end] for output in found]
            # Padding of the whole batch is cut away again; labels have no tokens.
            parts.append([array[:, :tokens] if self.token_axis else array for array in cut])
        return parts

    def _infer(self, batch: Batch) -> list[np.ndarray]:
        """The model's outputs; one request may have more rows than are computed at once."""
        rows = len(batch[INPUTS[0]])
        parts = [
            self.runtime({name: array[start : start + self.max_rows] for name, array in batch.items()})
            for start in range(0, rows, self.max_rows)
        ]
        for part in parts:
            check_logits(part, self.bundle.info)
        return [np.concatenate(outputs) for outputs in strict_zip(*parts)]


def groups(shapes: Sequence[tuple[int, ...]], max_rows: int) -> list[list[int]]:
    """Requests by number, those of similar length together.

    Args:
        shapes: The shape of each request's rows, (rows, tokens).
        max_rows: Rows in a group at most, where it has more than one request.
    """
    order = sorted(range(len(shapes)), key=lambda index: -shapes[index][1])
    found: list[list[int]] = []
    rows = max_rows
    for index in order:
        rows += shapes[index][0]
        if rows > max_rows:
            found.append([])
            rows = shapes[index][0]
        found[-1].append(index)
    return found


class PostprocessModel(Step):
    """Logits, and the texts they are of, to answers."""

    def compute(self, request: Any) -> list[np.ndarray]:
        """Answers of a request, each output of shape (texts, 1), or (texts, labels) for sets of labels."""
        logits = [tensor(request, name) for name in self.bundle.info.outputs]
        if self.interface.windows:
            texts = tensor(request, self.interface.passed[0].name)
            first = texts[:, 0] != b""
            if self.interface.choices:
                parts = np.split(texts[:, 2], np.flatnonzero(first)[1:])
                contexts, questions = (list(map(_text, texts[first, place])) for place in (0, 1))
                inputs = join_choices(contexts, questions, [list(map(_text, part)) for part in parts])
                return self.task.answer_arrays(self.task.decode(self.no_rows, list(logits[0]), inputs))
            inputs = decoded([texts[first, place] for place in range(texts.shape[1])])
            rows = self.task.encode(self.tokenizer, inputs)
            found = self.task.decode(rows, row_logits(logits, rows.lengths()), inputs)
        else:
            found = self.task.decode(self.no_rows, list(logits[0]), [])
        return self.task.answer_arrays(found)
