"""Which data a fine-tuned model is judged on where the options name none."""

from pathlib import Path

import compress_utils
from ernie_toolkit.arguments.options import SourceOptions
from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS

RECORD = {"data_source": "sample"}


def test_own_files_are_read_for_a_model_of_the_sample(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("怎么还款\t0\n怎么提现\t1\n怎么借款\t0\n", encoding="utf-8")
    source = SourceOptions(dataset="custom", train_file=str(path), dev_file=str(path))
    data = compress_utils.load_data(source, "seq_cls", RECORD, DEFAULT_FILE_OPTIONS, ("0", "1"))
    assert data.source != "sample" and len(data.split("dev")) == 3 and data.spec.labels == ("0", "1")


def test_the_sample_is_read_for_a_model_of_the_sample() -> None:
    source = SourceOptions(dataset="afqmc", max_train_samples=8, max_dev_samples=8)
    assert compress_utils.load_data(source, "seq_cls", RECORD, DEFAULT_FILE_OPTIONS, None).source == "sample"


def test_a_named_directory_is_read_for_a_model_of_the_sample(tmp_path: Path) -> None:
    row = '{"sentence1": "怎么还款", "sentence2": "还款怎么办", "label": "1"}\n'
    for name in ("train.json", "dev.json"):
        (tmp_path / name).write_text(row, encoding="utf-8")
    source = SourceOptions(dataset="afqmc", data_dir=str(tmp_path))
    data = compress_utils.load_data(source, "seq_cls", RECORD, DEFAULT_FILE_OPTIONS, None)
    assert data.source != "sample" and len(data.split("dev")) == 1
