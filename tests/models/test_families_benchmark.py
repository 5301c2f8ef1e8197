"""The table of encoder families: what it refuses, the small shapes, a row that fails. Nothing is timed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import make_tiny_model

from ernie_toolkit.models import Vocabulary, save_model
from ernie_toolkit.models.families import FAMILIES


def call(root: Path, where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "benchmarks" / "families.py"), *arguments]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=600, check=False)


@pytest.fixture
def encoder(vocabulary: Vocabulary, tmp_path: Path) -> Path:
    loaded = make_tiny_model(vocabulary, ("0", "1"), "seq_cls", "bert")
    save_model(loaded.model.bert, vocabulary, tmp_path / "encoder")
    return tmp_path / "encoder"


def test_what_cannot_be_measured_is_refused_at_once(root: Path, encoder: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (("--model", "gpt=somewhere"), "'gpt=somewhere' is no FAMILY=DIRECTORY with one of ernie, bert"),
        (("--model", "bert=nowhere"), "nowhere: no such model directory"),
        (("--model", f"ernie={encoder}"), "its config.json says bert: give it as bert="),
        (("--families", "ernie", "--model", f"bert={encoder}"), "--families leaves bert out"),
        (("--max_steps", "0"), "--max_steps is 0"),
    ):
        done = call(root, tmp_path, *arguments)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 2 and message in line and done.stdout == ""
    assert not (tmp_path / "benchmark_families").exists()


def test_small_shapes_keep_their_heads(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    from families import published_sizes, small_sizes

    shapes = {name: sizes for family in FAMILIES for name, sizes in published_sizes(family).items()}
    assert {"ernie-1.0-base-zh", "hfl/rbtl3", "tinybert-4l-312d-zh", "ernie-gram-zh"} < set(shapes)
    assert shapes["ernie-1.0-base-zh"]["intermediate_size"] == 3072
    for sizes in shapes.values():
        small = small_sizes(sizes)
        head, odd = divmod(small["hidden_size"], sizes["num_attention_heads"])
        assert not odd and head % 2 == 0 and small["num_attention_heads"] == sizes["num_attention_heads"]
        assert small["hidden_act"] == sizes["hidden_act"]
    assert (small_sizes(shapes["hfl/rbt3"])["num_hidden_layers"], small["num_hidden_layers"]) == (3, 8)


def test_a_row_that_fails_holds_its_error(root: Path, encoder: Path, tmp_path: Path) -> None:
    config = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    (encoder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}), encoding="utf-8")
    done = call(root, tmp_path, "--families", "bert", "--model", f"bert={encoder}")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    found = json.loads((tmp_path / "benchmark_families" / "families.json").read_text(encoding="utf-8"))
    assert "no weight 'bert.encoder.layers.2." in found["rows"]["encoder"]["error"]
    table = (tmp_path / "benchmark_families" / "families.md").read_text(encoding="utf-8")
    assert "| encoder | bert | failed: " in table and table in done.stdout


@pytest.mark.slow
def test_a_family_goes_all_the_way(root: Path, encoder: Path, tmp_path: Path) -> None:
    few = ("--max_steps", "2", "--max_train_samples", "32", "--max_dev_samples", "16")
    done = call(root, tmp_path, "--families", "bert", "--model", f"bert={encoder}", *few)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "benchmark_families" / "families.json").read_text(encoding="utf-8"))
    row = found["rows"]["encoder"]
    assert max(row["parity"], row["pruned_parity"]) < 1e-4 and set(row["int8"]) == {"onnxruntime", "openvino"}
    assert row["pruned_shape"] == "1 x 32, 3 heads" and row["megabytes"]["pruned"] < row["megabytes"]["fp32"]
