"""What `huggingface.py` asks of transformers and PyTorch, in a Python of their own.

Needs torch and transformers alone: nothing of this project is imported. Reads a JSON file of jobs and does them in
order: models are made and saved, loaded and asked for logits; a tokenizer is asked for ids.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import AutoConfig, AutoTokenizer


def make(job: dict[str, Any]) -> Any:
    """A model with random weights, all of them, saved in each of transformers' forms; its answers to the inputs."""
    torch.manual_seed(job["seed"])
    config = AutoConfig.for_model(**job["config"])
    model = getattr(transformers, job["class"]).from_config(config).eval()
    for parameter in model.parameters():
        # New biases are all 0, and new factors 1: any of them could be exchanged unseen.
        parameter.data += 0.1 * torch.randn(parameter.shape)
    directory = Path(job["directory"])
    model.save_pretrained(directory / "safetensors")
    state = model.state_dict()
    for form, settings in {"bin": {}, "old_bin": {"_use_new_zipfile_serialization": False}}.items():
        (directory / form).mkdir()
        (directory / form / "config.json").write_text((directory / "safetensors" / "config.json").read_text())
        torch.save(state, directory / form / "pytorch_model.bin", **settings)
    model.save_pretrained(directory / "sharded", max_shard_size="100KB")
    return model


def logits(model: Any, inputs: str) -> np.ndarray:
    """The logits of a model as (rows, ...), a row for each choice."""
    given = {name: torch.from_numpy(value) for name, value in np.load(inputs).items()}
    if type(model).__name__.endswith("MultipleChoice"):
        given = {name: value.unsqueeze(0) for name, value in given.items()}
    with torch.no_grad():
        outputs = model(**given)
    if type(model).__name__.endswith("QuestionAnswering"):
        return torch.stack([outputs.start_logits, outputs.end_logits], dim=-1).numpy()
    found: np.ndarray = outputs.logits.numpy()
    return found.reshape(-1, 1) if type(model).__name__.endswith("MultipleChoice") else found


def main() -> None:
    """Do the jobs of a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", type=Path)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for job in json.loads(parser.parse_args().jobs.read_text(encoding="utf-8")):
        if job["kind"] == "tokenize":
            tokenizer = AutoTokenizer.from_pretrained(job["directory"])
            ids = [tokenizer(*texts)["input_ids"] for texts in job["texts"]]
            Path(job["answers"]).write_text(json.dumps(ids), encoding="utf-8")
            continue
        if job["kind"] == "make":
            model = make(job)
        else:
            model = getattr(transformers, job["class"]).from_pretrained(job["directory"]).eval()
        np.save(job["answers"], logits(model, job["inputs"]))


if __name__ == "__main__":
    main()
