"""Which data a fine-tuned model is evaluated on where the options name none."""

from pathlib import Path

from ernie_toolkit import load_dataset
from ernie_toolkit.commands.model_source import dataset_arguments, with_own_source
from ernie_toolkit.commands.options import SourceOptions
from ernie_toolkit.data import DataSet

RECORD = {"data_source": "sample"}


def load(source: SourceOptions) -> DataSet:
    """The dev rows for a model of the sample."""
    return load_dataset(source.dataset, splits=("dev",), **dataset_arguments(with_own_source(source, RECORD)))


def test_own_files_are_read_for_a_model_of_the_sample(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("怎么还款\t0\n怎么提现\t1\n怎么借款\t0\n", encoding="utf-8")
    data = load(SourceOptions(dataset="custom", train_file=str(path), dev_file=str(path)))
    assert data.source != "sample" and len(data.split("dev")) == 3 and data.spec.labels == ("0", "1")


def test_the_sample_is_read_for_a_model_of_the_sample() -> None:
    assert load(SourceOptions(dataset="afqmc")).source == "sample"


def test_a_named_directory_is_read_for_a_model_of_the_sample(tmp_path: Path) -> None:
    row = '{"sentence1": "怎么还款", "sentence2": "还款怎么办", "label": "1"}\n'
    (tmp_path / "dev.json").write_text(row, encoding="utf-8")
    data = load(SourceOptions(dataset="afqmc", data_dir=str(tmp_path)))
    assert data.source != "sample" and len(data.split("dev")) == 1
