"""Compression end to end on tiny models: every strategy, what is written, what a cut-off run leaves."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest
from compression_runs import OPTIONS, TRAINING, Halt, check_bundles, make_teacher, run
from task_bundles import SETS
from tiny import PAIRS

from ernie_toolkit.bundle import Bundle, read_bundle
from ernie_toolkit.compression import compress
from ernie_toolkit.compression.options import STRATEGIES
from ernie_toolkit.compression.pipeline import compress_bundle
from ernie_toolkit.compression.quantization.onnx import weight_products
from ernie_toolkit.compression.report.metrics import shown_metrics
from ernie_toolkit.compression.report.model import Report, read_report
from ernie_toolkit.compression.state import Request
from ernie_toolkit.data import DataSet, load_dataset
from ernie_toolkit.errors import ConfigError, ModelError
from ernie_toolkit.inference import Predictor
from ernie_toolkit.models import LoadedModel, Vocabulary, load_model
from ernie_toolkit.session import PARITY_ROWS, Session
from ernie_toolkit.tasks import MultipleChoice, QuestionAnswering, SequenceClassification, Task, TokenClassification
from ernie_toolkit.text.dataset import EncodedDataset
from ernie_toolkit.text.features import TextInput
from ernie_toolkit.text.tokenization import WordPieceTokenizer
from ernie_toolkit.training import predict_logits, train


def changes(report: Report) -> list[float]:
    """What each candidate's metric is above FP32's, in points."""
    return [shown_metrics(report, item).change for item in report.candidates]


@pytest.fixture
def teacher(vocabulary: Vocabulary) -> LoadedModel:
    """One for two labels."""
    return make_teacher(vocabulary)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_end_to_end(teacher: LoadedModel, afqmc_sample: DataSet, tmp_path: Path, strategy: str) -> None:
    report = run(teacher, afqmc_sample, tmp_path, strategy, width_mult_list=("3/4",))
    check_bundles(report, afqmc_sample, tmp_path)
    parts = strategy.split("+")
    kept = [item for item in report.candidates if item.kept]
    assert {item.width for item in kept} == {"3/4" if "dynabert" in parts else "1"}
    assert any(item.embeddings for item in kept) == ("embeddings" in parts)
    methods = {item.method for item in report.candidates if item.precision == "int8" and not item.embeddings}
    assert methods == ({"dynamic", "static"} if "ptq" in parts else {"qat"} if "qat" in parts else set())
    smallest = min(kept, key=lambda item: item.size)
    assert smallest.size < (0.45 if "embeddings" in parts else 0.99) * report.baseline.size
    assert read_report(tmp_path / "compress_report.json") == report
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        "compress_report.json",
        "compress_report.md",
        "compress_report.png",
    }
    assert not (tmp_path / "unfinished").exists()


def test_widths_of_one_run_do_not_disturb_each_other(
    vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    report = run(make_teacher(vocabulary), afqmc_sample, tmp_path, "dynabert+ptq")
    check_bundles(report, afqmc_sample, tmp_path)
    assert [item.name for item in report.candidates] == [
        "3/4",
        "3/4 INT8 dynamic",
        "3/4 INT8 mse 4x1",
        "1/2",
        "1/2 INT8 dynamic",
        "1/2 INT8 mse 4x1",
    ]
    parameters = [item.parameters for item in (report.baseline, *report.candidates)]
    assert parameters[0] > parameters[1] == parameters[3] > parameters[4] == parameters[6]
    for width in ("0.75", "0.5"):
        # A pruned model loads, trains on and keeps its size.
        loaded = load_model(str(tmp_path / f"width_mult_{width}"))
        session = Session(loaded, afqmc_sample, PAIRS)
        rows = session.encoded(afqmc_sample.split("dev"))
        options = session.settled(TRAINING)
        result = train(
            loaded.model,
            rows,
            rows,
            lambda logits, rows=rows: PAIRS.score(rows, logits, afqmc_sample.split("dev")),
            options,
            tmp_path / f"on_{width}",
        )
        assert result.steps == 4


class CountingPairs(SequenceClassification):
    """A task that remembers how many texts it was given to encode each time."""

    encoded: ClassVar[list[int]] = []

    def encode(self, tokenizer: WordPieceTokenizer, texts: Sequence[TextInput]) -> EncodedDataset:
        self.encoded.append(len(texts))
        return super().encode(tokenizer, texts)


def test_splits_are_encoded_once_for_each_vocabulary(
    teacher: LoadedModel, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    """Pruning, training for INT8, calibration and evaluation read the same rows; the rest compares a few of them."""
    splits = [len(afqmc_sample.split("train")), len(afqmc_sample.split("dev"))]
    data = dataclasses.replace(afqmc_sample, dev=afqmc_sample.split("dev") + afqmc_sample.split("dev"))
    splits[1] *= 2
    assert min(splits) > PARITY_ROWS
    task = CountingPairs(PAIRS.labels, PAIRS.max_seq_length, None, "pair")
    CountingPairs.encoded.clear()
    run(teacher, data, tmp_path / "one", "dynabert+qat", task)
    assert [count for count in CountingPairs.encoded if count > PARITY_ROWS] == splits
    CountingPairs.encoded.clear()
    run(teacher, data, tmp_path / "cut", "dynabert+ptq", task, prune_vocab=True, method_list=("dynamic",))
    assert [count for count in CountingPairs.encoded if count > PARITY_ROWS] == splits * 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["token_cls", "qa", "multiple_choice"])
def test_the_other_tasks(vocabulary: Vocabulary, tmp_path: Path, name: str) -> None:
    limits = {"train": 40, "dev": 20}
    data = load_dataset(SETS[name], data_source="sample", limits=limits)
    task: Task = QuestionAnswering(56, 16) if name == "qa" else TokenClassification(data.spec.labels, 48)
    task = MultipleChoice(48) if name == "multiple_choice" else task
    for strategy in ("dynabert+ptq+embeddings", "qat"):
        directory = tmp_path / strategy
        loaded = make_teacher(vocabulary, data.spec.labels or ("0", "1"), name)
        report = run(loaded, data, directory, strategy, task, width_mult_list=("1/2",))
        assert report.metric == task.metrics[0] and len(report.candidates) == (4 if "ptq" in strategy else 2)
        check_bundles(report, data, directory)


def test_a_cut_off_run_goes_on_behind_what_is_finished(
    teacher: LoadedModel, model_dir: Path, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    with pytest.raises(Halt):
        run(model_dir, afqmc_sample, tmp_path, "dynabert+ptq", halt="3/4 INT8 dynamic")
    before = read_report(tmp_path / "compress_report.json")
    assert [item.name for item in before.candidates] == ["3/4", "3/4 INT8 dynamic"]
    with pytest.raises(ConfigError, match="what is left of an unfinished run: go on with it by `resume`"):
        run(model_dir, afqmc_sample, tmp_path, "dynabert+ptq")
    with pytest.raises(ConfigError, match=r"`resume`, but this is not the run in .* algo_list was"):
        run(model_dir, afqmc_sample, tmp_path, "dynabert+ptq", resume=True, algo_list=("avg",))
    said: list[str] = []
    after = run(model_dir, afqmc_sample, tmp_path, "dynabert+ptq", resume=True, said=said)
    assert after.baseline == before.baseline
    for old in before.candidates:
        new = after.find(old.name)
        assert new is not None and new.latency_ms == old.latency_ms and new.metrics == old.metrics
    assert len(after.candidates) == 6 and not any(line.startswith("dynabert:") for line in said)
    check_bundles(after, afqmc_sample, tmp_path)
    # Dropped when asked for, and as good as new.
    with pytest.raises(Halt):
        run(model_dir, afqmc_sample, tmp_path, "ptq", halt="INT8 dynamic")
    assert len(run(model_dir, afqmc_sample, tmp_path, "ptq", overwrite=True).candidates) == 2


def test_a_run_cut_off_in_training_resumes_there(model_dir: Path, afqmc_sample: DataSet, tmp_path: Path) -> None:
    whole = run(model_dir, afqmc_sample, tmp_path / "whole", "qat")
    with pytest.raises(Halt):
        run(model_dir, afqmc_sample, tmp_path / "cut", "qat", halt="qat: training")
    cut = run(model_dir, afqmc_sample, tmp_path / "cut", "qat", resume=True)
    check_bundles(cut, afqmc_sample, tmp_path / "cut")
    for one, other in zip(whole.candidates, cut.candidates, strict=True):
        assert one.name == other.name and one.metrics == pytest.approx(other.metrics, abs=1e-4)


def test_vocabulary_of_the_domain(teacher: LoadedModel, afqmc_sample: DataSet, tmp_path: Path) -> None:
    report = run(teacher, afqmc_sample, tmp_path, "dynabert+ptq+embeddings", prune_vocab=True, width_mult_list=("1/2",))
    check_bundles(report, afqmc_sample, tmp_path)
    kept = [item for item in report.candidates if item.kept]
    assert all(item.name.startswith("1/2 cut vocabulary") for item in kept)
    assert all(item.vocabulary < report.baseline.vocabulary for item in kept)
    loaded = load_model(str(tmp_path / "width_mult_0.5_vocab"))
    assert len(loaded.vocabulary.tokens) == kept[0].vocabulary == loaded.model.config.vocab_size
    texts = PAIRS.inputs(afqmc_sample.split("train")[:50])
    big = Predictor(tmp_path / "width_mult_1" / "export", num_threads=1)
    small = Predictor(tmp_path / "width_mult_0.5_vocab" / "export", num_threads=1)
    lengths = [predictor.task.encode(predictor.tokenizer, texts).lengths() for predictor in (big, small)]
    assert lengths[0] == lengths[1]


def test_sensitive_products_stay_fp32(teacher: LoadedModel, afqmc_sample: DataSet, tmp_path: Path) -> None:
    """Nothing at all may be lost: as many products stay as that takes, and the report names them."""
    coarse = {"weight_quantize_type": "abs_max", "keep_fp32": ("auto",)}
    for linear in (teacher.model.ernie.encoder.layers[0].linear1, teacher.model.ernie.pooler.dense):
        spoilt = linear.weight.numpy()
        spoilt[0, 0] = 10 * np.abs(spoilt).max()  # one scale for all leaves the others next to nothing
        linear.weight.set_value(spoilt)
    # The model gives both answers about as often, and what it answers is right: INT8 can only lose.
    session = Session(teacher, afqmc_sample, PAIRS)
    logits = predict_logits(teacher.model, session.encoded(afqmc_sample.split("dev")), 32)
    teacher.model.classifier.bias.set_value(teacher.model.classifier.bias.numpy() - np.median(logits, axis=0))
    answers = session.predict(afqmc_sample.split("dev"), 32)
    dev = [{**row, "label": answer.label} for row, answer in zip(afqmc_sample.split("dev"), answers, strict=True)]
    data = dataclasses.replace(afqmc_sample, dev=dev)
    first = run(teacher, data, tmp_path / "none", "ptq", max_drop=100.0, **coarse)
    assert all("keep_fp32" not in item.settings for item in first.candidates)
    lost = max(changes(first))
    report = run(teacher, data, tmp_path / "auto", "ptq", max_drop=0.0, **coarse)
    chosen = next(item for item in report.candidates if item.kept)
    assert shown_metrics(report, chosen).change >= 0 > lost and chosen.settings["keep_fp32"] and "FP32" in chosen.name
    check_bundles(report, data, tmp_path / "auto")


def test_all_products_stay_fp32(teacher: LoadedModel, afqmc_sample: DataSet, tmp_path: Path) -> None:
    """With a static plan, and weights that would be made ready for INT8, the answers are those of FP32."""
    first = run(teacher, afqmc_sample, tmp_path / "first", "embeddings")
    graph = onnx.load(str(tmp_path / "first" / first.baseline.file))
    names = tuple(product.node for product in weight_products(graph))
    # The names that are known before a run are those of what it makes, too.
    run(teacher, afqmc_sample, tmp_path / "pruned", "dynabert", prune_vocab=True, width_mult_list=("1/2",))
    small = onnx.load(str(tmp_path / "pruned" / "width_mult_0.5_vocab" / "export" / "model.onnx"))
    assert tuple(product.node for product in weight_products(small)) == names
    said: list[str] = []
    report = run(
        teacher,
        afqmc_sample,
        tmp_path / "kept",
        "ptq+embeddings",
        method_list=("static",),
        keep_fp32=names,
        round_type="adaround",
        bias_correction=True,
        batch_size_list=(128,),
        batch_num_list=(2,),
        said=said,
    )
    one, tables = report.candidates
    assert one.settings["keep_fp32"] == list(names) and one.metrics == pytest.approx(report.baseline.metrics, abs=1e-5)
    by_tables = first.find("INT8 embeddings")
    assert by_tables is not None and tables.metrics == pytest.approx(by_tables.metrics, abs=1e-5)
    # 256 rows were named, and there are 200.
    assert one.settings["calibration_rows"] == 200
    assert "calibration 128x2: only 200 training rows are there; all are used" in said
    check_bundles(report, afqmc_sample, tmp_path / "kept")


def test_fp16_for_gpus(teacher: LoadedModel, afqmc_sample: DataSet, tmp_path: Path) -> None:
    report = run(teacher, afqmc_sample, tmp_path, "embeddings", fp16=True)
    half = report.find("FP16")
    assert half is not None and half.kept and half.size < 0.6 * report.baseline.size
    assert half.metrics["loss"] == pytest.approx(report.baseline.metrics["loss"], abs=0.01)
    check_bundles(report, afqmc_sample, tmp_path)


def test_a_bundle_is_quantized_without_its_model(bundle: Bundle, afqmc_sample: DataSet, tmp_path: Path) -> None:
    options = dataclasses.replace(OPTIONS, strategy="ptq", round_type="adaround", bias_correction=True)
    request = Request(options, TRAINING, tmp_path)
    before = sorted(path.name for path in bundle.directory.iterdir())
    report = compress_bundle(bundle, afqmc_sample, request, lambda line: None)
    check_bundles(report, afqmc_sample, tmp_path)
    assert report.baseline.parameters > 200_000 and len(report.candidates) == 2
    assert sorted(path.name for path in bundle.directory.iterdir()) == before
    with pytest.raises(ConfigError, match="lies in the bundle"):
        compress_bundle(
            bundle, afqmc_sample, dataclasses.replace(request, directory=bundle.directory / "new"), lambda line: None
        )
    settings = read_bundle(tmp_path / "width_mult_1" / "export").info.compression["onnx_int8"]
    assert settings["round_type"] == "adaround" and settings["bias_correction"] is True


def test_models_and_tokenizers_of_paddlenlp(model_dir: Path, afqmc_sample: DataSet, tmp_path: Path) -> None:
    from paddlenlp.transformers import ErnieForSequenceClassification, ErnieTokenizer

    by_directory = run(model_dir, afqmc_sample, tmp_path / "one", "ptq")
    model = ErnieForSequenceClassification.from_pretrained(str(model_dir))
    options = dataclasses.replace(OPTIONS, strategy="ptq")
    rows = afqmc_sample.split("train"), afqmc_sample.split("dev")
    report = compress(
        model,
        ErnieTokenizer.from_pretrained(str(model_dir)),
        *rows,
        PAIRS,
        "ptq",
        tmp_path / "two",
        options,
        TRAINING,
        say=lambda line: None,
    )
    assert (by_directory.dataset, by_directory.data_source) == ("afqmc", "sample") and by_directory.warnings
    assert (report.dataset, report.data_source, report.warnings) == ("custom", "custom", ())
    for one, other in zip(by_directory.candidates, report.candidates, strict=True):
        assert one.name == other.name and one.metrics == pytest.approx(other.metrics, abs=1e-6)
    with pytest.raises(TypeError, match="needs its tokenizer"):
        compress(model, None, *rows, PAIRS, "ptq", tmp_path / "three", options, TRAINING)
    others = SequenceClassification(("0", "2"), 48, None, "pair")
    with pytest.raises(ModelError, match="was trained for other labels"):
        compress(model_dir, None, *rows, others, "ptq", tmp_path / "three", options, TRAINING)
    with pytest.raises(ConfigError, match=r"data set afqmc is seq_cls of 2 labels \(pair\), the task is .*data.spec"):
        sentences = SequenceClassification(PAIRS.labels, 48, None, "sentence")
        compress(model_dir, None, rows[0], afqmc_sample, sentences, "ptq", tmp_path / "three", options, TRAINING)
    assert not (tmp_path / "three").exists()


def test_how_a_model_was_trained_elsewhere_is_no_setting_here(
    model_dir: Path, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    directory = shutil.copytree(model_dir, tmp_path / "model")
    settings = {**dataclasses.asdict(TRAINING), "bf16": True, "recompute": True, "fp16": True, "learning_rate": 3e-4}
    (directory / "metrics.json").write_text(json.dumps({"settings": settings}), encoding="utf-8")
    options = dataclasses.replace(OPTIONS, method_list=("dynamic",))
    arguments = (directory, None, afqmc_sample, afqmc_sample, PAIRS, "ptq", tmp_path / "out", options)
    report = compress(*arguments, say=lambda line: None)
    assert report.settings["training"]["learning_rate"] == 3e-4 and not report.settings["training"]["bf16"]
    for name, message in (("recompute", "`recompute`"), ("bf16", "`bf16` needs a GPU"), ("fp16", "leave fp16 out")):
        with pytest.raises(ConfigError, match=message):
            compress(*arguments, dataclasses.replace(TRAINING, **{name: True}))


def test_what_cannot_be_compressed(vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path) -> None:
    fresh = make_teacher(vocabulary)
    untrained = dataclasses.replace(fresh, source="somewhere", fresh=("classifier.weight",))
    with pytest.raises(ModelError, match="somewhere has no trained classifier for 2 labels: fine-tune it first"):
        run(untrained, afqmc_sample, tmp_path, "ptq")
    with pytest.raises(ConfigError, match="leaves 0 of 4 heads"):
        run(fresh, afqmc_sample, tmp_path, "dynabert", width_mult_list=("1/5",))
    with pytest.raises(ConfigError, match="use one of dynabert"):
        run(fresh, afqmc_sample, tmp_path, "ptq+qat")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"`output_dir` .*file is a file: give a directory"):
        run(fresh, afqmc_sample, tmp_path / "file", "ptq")
    with pytest.raises(ConfigError, match=r"cannot be written: .*file is not a folder"):
        run(fresh, afqmc_sample, tmp_path / "file" / "in_it", "ptq")
    (tmp_path / "file").unlink()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "compress_report.json").write_text(json.dumps({"format_version": 0}))
    with pytest.raises(ModelError, match=r"compress_report\.json"):
        read_report(tmp_path / "compress_report.json")
