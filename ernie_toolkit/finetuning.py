"""The journey of a classification run: data to model, model to metrics, predictions and a bundle."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ernie_toolkit.data import DataSet
from ernie_toolkit.data.registry import DatasetSpec
from ernie_toolkit.decoding import decode_labels
from ernie_toolkit.errors import ModelError
from ernie_toolkit.features import TextInput, encode, texts_of
from ernie_toolkit.files import write_json, write_text
from ernie_toolkit.models import LoadedModel
from ernie_toolkit.tokenization import WordPieceTokenizer, build_tokenizer
from ernie_toolkit.training import EncodedDataset, predict_logits

PREDICTIONS = "test_results.json"


@dataclass(frozen=True)
class Session:
    """A model with the tokenizer of its vocabulary, and the data set it works on."""

    loaded: LoadedModel
    tokenizer: WordPieceTokenizer
    data: DataSet
    max_seq_length: int

    @property
    def spec(self) -> DatasetSpec:
        """The data set's description."""
        return self.data.spec

    def texts(self, examples: Sequence[dict[str, Any]]) -> list[TextInput]:
        """What the model reads of some examples."""
        return [texts_of(example, self.spec.text_format) for example in examples]

    def encoded(self, examples: Sequence[dict[str, Any]]) -> EncodedDataset:
        """Model inputs of some examples, with labels where all of them have one."""
        features = encode(self.tokenizer, self.texts(examples), self.max_seq_length)
        ids = self.spec.label_ids
        labelled = all(example["label"] is not None for example in examples)
        labels = np.array([ids[example["label"]] for example in examples], dtype=np.int64) if labelled else None
        return EncodedDataset(features, labels, self.tokenizer.special.pad)


def open_session(loaded: LoadedModel, data: DataSet, max_seq_length: int) -> Session:
    """Join model and data; ModelError where the model has fewer positions than `max_seq_length`."""
    limit = loaded.model.config.max_position_embeddings
    if max_seq_length > limit:
        raise ModelError(f"--max_seq_length {max_seq_length} is over the {limit} positions of {loaded.source}")
    tokenizer = build_tokenizer(loaded.vocabulary.tokens, loaded.vocabulary.do_lower_case)
    return Session(loaded, tokenizer, data, max_seq_length)


def require_trained_head(loaded: LoadedModel, labels: Sequence[str], recorded: Sequence[str] | None) -> None:
    """ModelError where a model cannot answer for these labels without being trained first."""
    if loaded.fresh:
        raise ModelError(f"{loaded.source} has no trained classifier for {len(labels)} labels: fine-tune it first")
    if recorded is not None and tuple(recorded) != tuple(labels):
        shown = ", ".join(recorded[:5])
        raise ModelError(f"{loaded.source} was trained for other labels ({shown} ...): choose its own data set")


def write_predictions(session: Session, directory: Path, batch_size: int, warnings: Sequence[str]) -> tuple[Path, Path]:
    """Predict the test split; write `test_results.json` and CLUE's submission file `<dataset>_predict.json`.

    The first is one JSON object with `predictions`: id, label, name and confidence of each row. The second
    has one JSON object a line, id and label, for tnews and iflytek with the label's name, as CLUE asks.
    """
    spec, examples = session.spec, session.data.split("test")
    logits = predict_logits(session.loaded.model, session.encoded(examples), batch_size)
    answers = decode_labels(logits, spec.labels, spec.label_names)
    rows = [
        {
            "id": example["id"],
            "label": answer.label,
            "label_name": answer.name,
            "confidence": round(answer.confidence, 6),
        }
        for example, answer in zip(examples, answers, strict=True)
    ]
    results, submission = directory / PREDICTIONS, directory / f"{spec.name}_predict.json"
    source = {"dataset": spec.name, "data_source": session.data.source, "warnings": list(warnings)}
    write_json(results, {**source, "predictions": rows})
    name_field = {"tnews": "label_desc", "iflytek": "label_des"}.get(spec.name)
    lines = []
    for row in rows:
        line = {"id": row["id"], "label": row["label"]}
        if name_field:
            line[name_field] = row["label_name"]
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    write_text(submission, "".join(lines))
    return results, submission
