"""What `training_speed.py` measures of transformers and PyTorch, in a Python of their own: see `--torch_python` there.

Needs torch and transformers alone: nothing of this project is imported. Reads the batches from a JSON file and
writes what each step took into another.
"""

import argparse
import contextlib
import itertools
import json
import time
from pathlib import Path
from typing import Any

import torch
from transformers import ErnieConfig, ErnieForSequenceClassification


def build_model(shape: dict[str, int]) -> Any:
    """The encoder that the other variants train, in the settings that are ERNIE's own in both libraries."""
    torch.manual_seed(0)
    return ErnieForSequenceClassification(ErnieConfig(**shape, max_position_embeddings=512, use_task_id=False)).train()


def time_step(model: Any, optimizer: Any, batch: list[list[int]], bf16: bool) -> list[tuple[float, float]]:
    """(wall, CPU) seconds of forward, backward and optimizer step."""
    inputs = torch.tensor(batch)
    labels = torch.tensor([i % 15 for i in range(len(batch))])
    clocks = [(time.perf_counter(), time.process_time())]
    with torch.autocast("cpu", dtype=torch.bfloat16) if bf16 else contextlib.nullcontext():
        logits = model(input_ids=inputs, attention_mask=(inputs != 0).long()).logits
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
    loss.item()
    clocks.append((time.perf_counter(), time.process_time()))
    loss.backward()
    clocks.append((time.perf_counter(), time.process_time()))
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    clocks.append((time.perf_counter(), time.process_time()))
    return [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(clocks)]


def main() -> None:
    """Measure the layouts that the file holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("batches", type=Path, help="JSON: `shape` and, by layout, `batches` of padded token ids")
    parser.add_argument("result", type=Path)
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    given = json.loads(arguments.batches.read_text(encoding="utf-8"))
    model = build_model(given["shape"])
    optimizer = torch.optim.AdamW(model.parameters(), 1e-5, weight_decay=0.01)
    timings = {
        layout: [time_step(model, optimizer, batch, arguments.bf16) for batch in [batches[0], *batches]][1:]
        for layout, batches in given["batches"].items()
    }
    arguments.result.write_text(json.dumps({"settings": {}, "timings": timings}), encoding="utf-8")


if __name__ == "__main__":
    main()
