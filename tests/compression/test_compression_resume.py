"""What a compression run leaves when it is cut off, refused or done, and what --resume makes of that."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
from compression_runs import OPTIONS, TRAINING, Halt, check_bundles, make_teacher, run
from tiny import PAIRS

from ernie_toolkit.bundle import Bundle
from ernie_toolkit.compression import compress
from ernie_toolkit.compression.pipeline import compress_bundle
from ernie_toolkit.compression.report.model import Report, read_report
from ernie_toolkit.compression.state import Request
from ernie_toolkit.data import DataSet
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.models import LoadedModel, Vocabulary, copy_model, save_model


def contents(directory: Path) -> dict[str, bytes]:
    """Every file of a directory."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def opposite(loaded: LoadedModel) -> LoadedModel:
    """A model of the same shape that gives the other answer to every row."""
    model = copy_model(loaded.model)
    for value in (model.classifier.weight, model.classifier.bias):
        value.set_value(-value.numpy())
    return dataclasses.replace(loaded, model=model)


def halting(start: str) -> object:
    """What is told the lines of a run, and ends it after the one that begins so."""

    def say(line: str) -> None:
        if line.startswith(start):
            raise Halt(line)

    return say


def test_a_bundle_run_keeps_what_it_has_finished(bundle: Bundle, afqmc_sample: DataSet, tmp_path: Path) -> None:
    options = dataclasses.replace(OPTIONS, strategy="ptq", method_list=("dynamic",), fp16=True)
    request = Request(options, TRAINING, tmp_path)
    int8 = tmp_path / "width_mult_1" / "export" / "model_int8.onnx"
    with pytest.raises(Halt):
        compress_bundle(bundle, afqmc_sample, request, halting("FP16"))  # type: ignore[arg-type]
    written = int8.stat().st_mtime_ns
    request = dataclasses.replace(request, resume=True)
    with pytest.raises(Halt):
        compress_bundle(bundle, afqmc_sample, request, halting("resuming after 2"))  # type: ignore[arg-type]
    assert int8.stat().st_mtime_ns == written
    # A file that is listed and not there is made again.
    shutil.rmtree(int8.parent)
    shutil.copytree(bundle.directory, int8.parent)
    report = compress_bundle(bundle, afqmc_sample, request, lambda line: None)
    assert [item.name for item in report.candidates if item.kept] == ["INT8 dynamic", "FP16"]
    check_bundles(report, afqmc_sample, tmp_path)


def test_another_run_is_not_gone_on_with(vocabulary: Vocabulary, afqmc_sample: DataSet, tmp_path: Path) -> None:
    """Neither its bundle nor its report counts, though both are where this run's would be."""
    loaded = make_teacher(vocabulary)
    other = opposite(loaded)
    first = run(loaded, afqmc_sample, tmp_path, "ptq", method_list=("dynamic",))
    before = (tmp_path / "compress_report.json").read_bytes()
    replaced = f"{tmp_path / 'compress_report.json'} and the models of an earlier run there are replaced"
    with pytest.raises(Halt):
        run(other, afqmc_sample, tmp_path, "ptq", method_list=("dynamic",), halt=replaced)
    assert (tmp_path / "compress_report.json").read_bytes() == before  # until there is something to put there
    with pytest.raises(ConfigError, match=r"`resume`, but this is not the run in .*: weights was"):
        run(loaded, afqmc_sample, tmp_path, "ptq", method_list=("dynamic",), resume=True)
    said: list[str] = []
    second = run(other, afqmc_sample, tmp_path, "ptq", method_list=("dynamic",), resume=True, said=said)
    assert said[0].startswith("exporting") and any(line.startswith("INT8 dynamic:") for line in said)
    accuracies = [report.baseline.metrics["accuracy"] for report in (first, second)]
    assert sum(accuracies) == pytest.approx(1) and accuracies[0] != pytest.approx(accuracies[1])
    check_bundles(second, afqmc_sample, tmp_path)


def test_a_model_trained_for_int8_is_not_trained_again(model_dir: Path, afqmc_sample: DataSet, tmp_path: Path) -> None:
    values = {"activation_quantize_type": "moving_average_abs_max", "use_pact": True}
    with pytest.raises(Halt):
        run(model_dir, afqmc_sample, tmp_path, "qat", halt="QAT:", **values)
    before = read_report(tmp_path / "compress_report.json").find("QAT")
    result = tmp_path / "unfinished" / "width_mult_1_qat.json"
    whole = result.read_text(encoding="utf-8")
    for broken, message in (
        ("{}", "not what training for INT8 writes"),
        (json.dumps(json.loads(whole) | {"ranges": {"layer": [1.0]}}), "ranges are no pairs of numbers"),
        ("[]", "not a JSON object"),
    ):
        result.write_text(broken, encoding="utf-8")
        with pytest.raises(ConfigError, match=rf"width_mult_1_qat\.json.*{message}.*`overwrite`"):
            run(model_dir, afqmc_sample, tmp_path, "qat", resume=True, **values)
    result.write_text(whole, encoding="utf-8")
    said: list[str] = []
    report = run(model_dir, afqmc_sample, tmp_path, "qat", resume=True, said=said, **values)
    assert not any(line.startswith(("qat: training", "QAT:")) for line in said)
    after = report.find("QAT")
    assert before is not None
    assert after == dataclasses.replace(before, kept=True, file="width_mult_1_qat/export/model.onnx")
    assert [item.name for item in report.candidates] == ["QAT", "QAT INT8"]
    check_bundles(report, afqmc_sample, tmp_path)


def test_weights_that_changed_under_the_same_name(model_dir: Path, afqmc_sample: DataSet, tmp_path: Path) -> None:
    from ernie_toolkit.models import load_model

    directory = shutil.copytree(model_dir, tmp_path / "model")
    with pytest.raises(Halt):
        run(directory, afqmc_sample, tmp_path / "out", "ptq", halt="INT8 dynamic")
    loaded = load_model(str(directory))
    save_model(opposite(loaded).model, loaded.vocabulary, directory)
    with pytest.raises(ConfigError, match=r"`resume`, but this is not the run in .*: weights was [0-9a-f]+ and"):
        run(directory, afqmc_sample, tmp_path / "out", "ptq", resume=True)


def test_a_finished_run_is_not_made_again(model_dir: Path, afqmc_sample: DataSet, tmp_path: Path) -> None:
    def again(**values: object) -> tuple[Report, list[str]]:
        said: list[str] = []
        options = {"method_list": ("dynamic",), "said": said, "resume": True} | values
        return run(model_dir, afqmc_sample, tmp_path, "ptq", **options), said  # type: ignore[arg-type]

    report, _ = again()
    before = contents(tmp_path)
    same, said = again()
    assert same == report and contents(tmp_path) == before
    (line,) = said
    assert "the run has ended before, with the same model, data and settings" in line
    # What was deleted is made again; so is all when it is not asked to resume, or asked something else.
    (tmp_path / "width_mult_1" / "export" / "model_int8.onnx").unlink()
    repaired, said = again()
    check_bundles(repaired, afqmc_sample, tmp_path)
    assert any("of an earlier run there are replaced" in line for line in said)
    assert again(resume=False)[1][0].startswith("exporting")
    changed, said = again(weight_quantize_type="abs_max")
    assert changed.candidates[0].settings["weight_quantize_type"] == "abs_max" and said[0].startswith("exporting")


def test_what_is_refused_changes_nothing(
    model_dir: Path, bundle: Bundle, afqmc_sample: DataSet, tmp_path: Path
) -> None:
    run(model_dir, afqmc_sample, tmp_path, "ptq", method_list=("dynamic",))
    before = contents(tmp_path)
    for strategy, values, message in (
        ("qat", {"moving_rate": 1.5}, "`moving_rate` is 1.5"),
        ("qat", {"use_pact": True, "activation_quantize_type": "dynamic"}, "`use_pact` learns fixed ranges"),
        ("qat", {"round_type": "adaround"}, "`round_type` belongs to ptq"),
        ("ptq", {"keep_fp32": ("nowhere",)}, "`keep_fp32` nowhere: no matrix product of that name"),
        ("ptq", {"method_list": ("guess",)}, "`method_list` 'guess' is not known: use one of dynamic, static"),
    ):
        with pytest.raises(ConfigError, match=message):
            run(model_dir, afqmc_sample, tmp_path, strategy, overwrite=True, **values)  # type: ignore[arg-type]
        assert contents(tmp_path) == before, strategy
    options = dataclasses.replace(OPTIONS, strategy="ptq", keep_fp32=("nowhere",))
    with pytest.raises(ConfigError, match="`keep_fp32` nowhere"):
        compress_bundle(bundle, afqmc_sample, Request(options, TRAINING, tmp_path), lambda line: None)
    with pytest.raises(ConfigError, match="`recompute`"):
        training = dataclasses.replace(TRAINING, recompute=True)
        compress(model_dir, None, afqmc_sample, afqmc_sample, PAIRS, "dynabert", tmp_path, OPTIONS, training)
    assert contents(tmp_path) == before
    assert "NaN" not in (tmp_path / "compress_report.json").read_text()
