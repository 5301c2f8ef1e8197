"""Finished models and their bundles: what a run may replace, and bundles of other weights."""

import json
import shutil
from pathlib import Path

import pytest

from ernie_toolkit.bundle import Bundle, read_bundle, stale_message, write_bundle_info
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files import sha256_of
from ernie_toolkit.formats.weights import WEIGHTS_FILE
from ernie_toolkit.models import load_model
from ernie_toolkit.session import Session
from ernie_toolkit.training.finished import check_replaceable, drop_stale_bundle, is_finished
from ernie_toolkit.training.records import METRICS_FILE


@pytest.fixture
def finished(model_dir: Path, tmp_path: Path) -> Path:
    """A copy of a trained model, without a record of its data."""
    return Path(shutil.copytree(model_dir, tmp_path / "model"))


def test_a_finished_model_is_not_replaced_unasked(finished: Path) -> None:
    for source in (None, "custom", "sample"):
        with pytest.raises(ConfigError, match="holds a finished model: give another place, or `overwrite` to"):
            check_replaceable(finished, source, False, False)
    with pytest.raises(ConfigError, match="no run to resume"):
        check_replaceable(finished, None, True, False)
    assert check_replaceable(finished, "custom", False, True) == ""
    (finished / "checkpoints" / "checkpoint-4").mkdir(parents=True)
    assert check_replaceable(finished, None, True, False) == ""
    (finished / "config.json").unlink()
    assert not is_finished(finished) and check_replaceable(finished, "custom", False, False) == ""


def test_the_sample_may_replace_its_own(finished: Path) -> None:
    (finished / METRICS_FILE).write_text(json.dumps({"data_source": "sample"}), encoding="utf-8")
    assert check_replaceable(finished, None, False, False) == ""
    assert "of the sample too, and is replaced" in check_replaceable(finished, "sample", False, False)
    with pytest.raises(ConfigError, match="holds a finished model"):
        check_replaceable(finished, "official", False, False)
    (finished / METRICS_FILE).write_text(json.dumps({"data_source": "official"}), encoding="utf-8")
    with pytest.raises(ConfigError, match="holds a finished model"):
        check_replaceable(finished, "sample", False, False)


def test_a_bundle_of_other_weights_is_told_and_dropped(finished: Path, bundle: Bundle) -> None:
    export, weights = finished / "export", finished / WEIGHTS_FILE
    shutil.copytree(bundle.directory, export)
    assert stale_message(read_bundle(export)) == ""  # it carries no checksum: nothing can be told
    info = read_bundle(export).info
    write_bundle_info(export, type(info)(**{**vars(info), "weights_sha256": sha256_of(weights)}))
    assert stale_message(read_bundle(export)) == "" and drop_stale_bundle(export, weights) == ""
    weights.write_bytes(weights.read_bytes() + b"\0")
    assert "was exported from other weights than" in stale_message(read_bundle(export))
    assert "is deleted" in drop_stale_bundle(export, weights) and not export.exists()
    assert drop_stale_bundle(export, weights) == "" and sorted(finished.glob(".export*")) == []


def test_an_export_carries_the_checksum_of_its_weights(finished: Path, afqmc_sample: object) -> None:
    from tiny import PAIRS

    session = Session(load_model(str(finished)), afqmc_sample, PAIRS)  # type: ignore[arg-type]
    exported = session.export(finished / "export", 4, {}, trained=False)
    assert exported.info.weights_sha256 == sha256_of(finished / WEIGHTS_FILE)
    assert stale_message(exported) == ""
