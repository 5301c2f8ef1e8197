"""Compression runs with fewer layers, end to end on tiny models: what is written, what a cut-off run goes on with."""

import dataclasses
import json
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compression_runs import TRAINING, Halt, check_bundles, make_teacher, run
from tiny import PAIRS

from ernie_toolkit.compression.pruning.training import ElasticTrainer
from ernie_toolkit.compression.report.comparison import comparison_table
from ernie_toolkit.compression.report.model import read_report
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.models import Vocabulary, load_model, save_model
from ernie_toolkit.session import Session
from ernie_toolkit.training import predict_logits

BOTH = {"width_mult_list": ("1", "1/2"), "depth_mult_list": ("1", "1/2"), "method_list": ("dynamic",)}


def test_from_a_model_to_smaller_ones_in_both_engines(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    said: list[str] = []
    values = {**BOTH, "depth_mult_list": ("1/2",), "engine_list": ("onnxruntime", "openvino"), "said": said}
    report = run(make_teacher(vocabulary), afqmc_sample, tmp_path, "dynabert+ptq", **values)
    check_bundles(report, afqmc_sample, tmp_path)
    by_name = {item.name: item for item in report.candidates}
    whole, flat, both = report.baseline, by_name["depth 1/2"], by_name["1/2 depth 1/2"]
    assert [(item.width, item.depth) for item in (whole, flat, both)] == [("1", "1"), ("1", "1/2"), ("1/2", "1/2")]
    # One of two layers is gone; what is left beside layers is the pooler and the classifier.
    head = 2 * (32 * 32 + 32 * 2)
    assert 2 * (whole.flops - flat.flops) == whole.flops - head
    assert whole.parameters - flat.parameters == 4 * (32 * 32 + 32) + 2 * 32 * 64 + 64 + 32 + 4 * 32
    assert whole.size > flat.size > both.size
    for name in ("INT8 dynamic", "OpenVINO INT8"):
        assert by_name[f"depth 1/2 {name}"].kept and by_name[f"1/2 depth 1/2 {name}"].kept
    assert {item.file.partition("/")[0] for item in report.candidates if item.kept} == {
        "width_mult_1",
        "width_mult_1_depth_mult_0.5",
        "width_mult_0.5_depth_mult_0.5",
    }
    # Which layers stay is said, in the report and on its page.
    [choice] = report.depths
    assert choice.num_hidden_layers == 2 and choice.evenly_spaced == (0,) and len(choice.layers) == 1
    assert f"dynabert: {choice.text}" in said
    assert "dynabert: training sizes depth 1/2, 1/2 depth 1/2 in one run" in said
    assert read_report(tmp_path / "compress_report.json") == report
    assert f"- Depth 1/2: layers {choice.layers[0]} of 0 to 1 stay" in (tmp_path / "compress_report.md").read_text()
    table = [line.split("|")[1].strip() for line in comparison_table([report]).splitlines() if line.startswith("|")]
    assert [name for name in table[2:] if "OpenVINO" not in name] == [
        "FP32",
        "depth 1/2",
        "depth 1/2 + INT8",
        "1/2 depth 1/2",
        "1/2 depth 1/2 + INT8",
    ]


def test_a_model_of_fewer_layers_is_trained_on_and_compressed_again(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    run(
        make_teacher(vocabulary), afqmc_sample, tmp_path, "dynabert", width_mult_list=("1/2",), depth_mult_list=("1/2",)
    )
    loaded = load_model(str(tmp_path / "width_mult_0.5_depth_mult_0.5"))
    assert loaded.fresh == () and loaded.model.config.num_hidden_layers == 1
    session = Session(loaded, afqmc_sample, PAIRS)
    assert session.train(TRAINING, tmp_path / "on").steps == 4
    bundle = session.export(tmp_path / "on" / "export", trained=True)
    rows = session.encoded(afqmc_sample.split("dev"))
    answers = Predictor(bundle.directory, num_threads=1).logits(PAIRS.inputs(afqmc_sample.split("dev")))
    assert np.abs(np.asarray(answers) - np.asarray(predict_logits(loaded.model, rows, 32))).max() < 1e-4
    save_model(loaded.model, loaded.vocabulary, tmp_path / "model")
    report = run(tmp_path / "model", afqmc_sample, tmp_path / "again", "dynabert", width_mult_list=("1/2",))
    again = load_model(str(tmp_path / "again" / "width_mult_0.5"))
    assert again.model.config.num_hidden_layers == 1 and again.model.config.pruned_num_attention_heads == 1
    check_bundles(report, afqmc_sample, tmp_path / "again")
    with pytest.raises(ConfigError, match="depth 1/2 leaves none of 1 layers"):
        run(tmp_path / "model", afqmc_sample, tmp_path / "none", "dynabert", depth_mult_list=("1/2",))
    assert not (tmp_path / "none").exists()


def test_a_run_goes_on_with_the_layers_that_it_has_chosen(
    model_dir: Path, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    def go(**values: object) -> list[str]:
        said: list[str] = []
        run(model_dir, afqmc_sample, tmp_path, "dynabert", said=said, **{**BOTH, **values})  # type: ignore[arg-type]
        return said

    with pytest.raises(Halt):
        go(halt="dynabert: training sizes")
    path = tmp_path / "compress_report.json"
    [chosen] = read_report(path).depths
    with pytest.raises(
        ConfigError, match=r"this is not the run in .*: depth_mult_list was \['1', '1/2'\] and is \['1'\]"
    ):
        go(resume=True, depth_mult_list=("1",))
    with pytest.raises(ConfigError, match=r"this is not the run in .*: width_mult_list was"):
        go(resume=True, width_mult_list=("1/2",))
    # What was chosen counts, not what would be chosen now.
    other = dataclasses.replace(chosen, layers=(1 - chosen.layers[0],))
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "depths": [dataclasses.asdict(other)]}))
    said = go(resume=True)
    assert not any(line.startswith("dynabert: depth") for line in said)
    assert read_report(path).depths == (other,)
    small = load_model(str(tmp_path / "width_mult_1_depth_mult_0.5")).model
    assert small.config.num_hidden_layers == 1 and not (tmp_path / "unfinished").exists()


def test_a_run_killed_in_distillation_learns_what_it_would_have(
    model_dir: Path, afqmc_sample: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers that no size has, which no step moves, are no obstacle."""
    values = {"width_mult_list": ("1", "1/2"), "depth_mult_list": ("1/2",)}
    whole = run(model_dir, afqmc_sample, tmp_path / "whole", "dynabert", **values)
    losses = count()

    def student_loss(self: ElasticTrainer, *arguments: Any) -> Any:
        if next(losses) == 3:
            raise Halt
        return untouched(self, *arguments)

    untouched = ElasticTrainer.student_loss
    with monkeypatch.context() as patched, pytest.raises(Halt):
        patched.setattr(ElasticTrainer, "student_loss", student_loss)
        run(model_dir, afqmc_sample, tmp_path / "cut", "dynabert", **values)
    assert (tmp_path / "cut" / "unfinished" / "dynabert" / "checkpoints" / "checkpoint-2").is_dir()
    cut = run(model_dir, afqmc_sample, tmp_path / "cut", "dynabert", resume=True, **values)
    assert cut.depths == whole.depths and len(cut.candidates) == 2
    for one, other in zip(whole.candidates, cut.candidates, strict=True):
        assert one.name == other.name and one.metrics == pytest.approx(other.metrics, abs=1e-5)


def test_a_run_without_depth_is_what_it_was(model_dir: Path, afqmc_sample: DataSet, tmp_path: Path) -> None:
    """One that began before there were depths is resumed: its settings do not name them."""
    with pytest.raises(Halt):
        run(
            model_dir,
            afqmc_sample,
            tmp_path,
            "dynabert",
            width_mult_list=("1/2",),
            halt="dynabert: training widths 1/2",
        )
    assert "depth_mult_list" not in json.loads((tmp_path / "unfinished" / "run.json").read_text())
    with pytest.raises(ConfigError, match=r"depth_mult_list was \['1'\] and is \['1/2'\]"):
        run(
            model_dir,
            afqmc_sample,
            tmp_path,
            "dynabert",
            width_mult_list=("1/2",),
            depth_mult_list=("1/2",),
            resume=True,
        )
    report = run(model_dir, afqmc_sample, tmp_path, "dynabert", width_mult_list=("1/2",), resume=True)
    assert [item.name for item in report.candidates] == ["1/2"] and report.depths == ()
