"""Texts in, answers out: tokenizing, batching by length, ONNX Runtime, decoding."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ernie_toolkit.batching import batches_by_length
from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.decoding import LabelAnswer, decode_labels
from ernie_toolkit.errors import BundleError, ConfigError
from ernie_toolkit.features import TextInput, encode, pad_batch
from ernie_toolkit.inference.session import open_session
from ernie_toolkit.tokenization import load_tokenizer


class Predictor:
    """Answers for texts from an exported bundle, on ONNX Runtime.

    `device`: "cpu" or "gpu". `num_threads`: all available processors where None. `precision`: "fp32" or
    "int8". `max_seq_length`: the bundle's own where None. An object may be used by several threads at once.
    Raises BundleError, ConfigError or DeviceError (see `read_bundle`, `open_session`).
    """

    def __init__(
        self,
        bundle_dir: str | Path,
        device: str = "cpu",
        num_threads: int | None = None,
        precision: str = "fp32",
        max_seq_length: int | None = None,
    ) -> None:
        self.bundle = read_bundle(bundle_dir)
        info = self.bundle.info
        if info.task != "seq_cls":
            raise BundleError(f"{bundle_dir} is a bundle for the task '{info.task}': this version reads 'seq_cls'")
        if max_seq_length is not None and max_seq_length > info.max_seq_length:
            raise ConfigError(f"max_seq_length {max_seq_length} is over the bundle's own, {info.max_seq_length}")
        self.max_seq_length = info.max_seq_length if max_seq_length is None else max_seq_length
        self.tokenizer = load_tokenizer(self.bundle.path("tokenizer"))
        self.session = open_session(self.bundle, device, num_threads, precision)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label identifiers in the order of the logits."""
        return self.bundle.info.labels

    def logits(self, texts: Sequence[TextInput], batch_size: int = 32) -> np.ndarray:
        """Logits of texts or pairs, float32 of shape (len(texts), classes), in the order asked."""
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}: it must be at least 1")
        features = encode(self.tokenizer, texts, self.max_seq_length)
        result = np.empty((len(features), len(self.labels)), dtype=np.float32)
        for rows in batches_by_length([len(item) for item in features], batch_size):
            batch = pad_batch([features[row] for row in rows], self.tokenizer.special.pad)
            result[rows] = self.session.run([self.bundle.info.outputs[0]], batch)[0]
        return result

    def predict(self, texts: Sequence[TextInput], batch_size: int = 32) -> list[LabelAnswer]:
        """The label of each text or pair, in the order asked, whatever the batch size.

        Raises DataError where `texts` are not all texts or all pairs, or one is empty.
        """
        return decode_labels(self.logits(texts, batch_size), self.labels, self.bundle.info.label_names)
