"""Where a data set comes from: the user's directory, PaddleNLP's cache and download, the sample."""

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ernie_toolkit.data import DATASETS, SPLITS, get_spec, load_dataset, official
from ernie_toolkit.data.sample import write_sample
from ernie_toolkit.errors import ConfigError, DataError, DownloadError

ROW = json.dumps({"sentence1": "甲", "sentence2": "乙", "label": "1"}) + "\n"


def fill(directory: Path, *names: str, rows: int = 1) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_text(ROW * rows, encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def clue() -> Any:
    """PaddleNLP's loader of CLUE; a wide scope, so that its import does not see the home of one test."""
    return pytest.importorskip("paddlenlp.datasets.clue")


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PaddleNLP home, and names that cannot be resolved. Returns the home."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    home = tmp_path / "home"
    monkeypatch.setenv("PPNLP_HOME", str(home))
    return home


def test_import_is_light() -> None:
    code = (
        "import sys, ernie_toolkit.data; "
        "print(*[name for name in ('paddle', 'paddlenlp', 'numpy', 'onnxruntime') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []


@pytest.mark.parametrize("folder", ["", "afqmc"])
def test_data_dir_comes_first(tmp_path: Path, no_network: Path, folder: str) -> None:
    fill(no_network / "datasets" / "Clue" / "afqmc_public", "train.json", "dev.json", rows=5)
    directory = fill(tmp_path / "mine" / folder, "train.json", "dev.json", rows=3)
    data = load_dataset("afqmc", data_dir=tmp_path / "mine", sample_allowed=True, limits={"train": 2})
    assert (data.source, data.location, data.warnings, data.notices) == ("data_dir", str(directory), (), ())
    assert (len(data.split("train")), len(data.split("dev")), data.test) == (2, 3, None)


def test_data_dir_without_the_file_names_all_places(tmp_path: Path) -> None:
    directory = fill(tmp_path / "mine", "dev.json")
    with pytest.raises(DataError) as caught:
        load_dataset("ocnli", data_dir=directory, sample_allowed=True)
    for name in ("train.50k.json", "train.json"):
        assert str(directory / name) in str(caught.value)
        assert str(directory / "ocnli" / name) in str(caught.value)
    with pytest.raises(DataError, match="no such directory"):
        load_dataset("ocnli", data_dir=tmp_path / "none")


def test_official_file_names_are_tried_in_order(tmp_path: Path) -> None:
    rows = {"train.50k.json": "neutral", "train.json": "entailment"}
    for name, label in rows.items():
        (tmp_path / name).write_text(ROW.replace('"1"', f'"{label}"'), encoding="utf-8")
    data = load_dataset("ocnli", data_dir=tmp_path, splits=("train",))
    assert data.split("train")[0]["label"] == "neutral"


def test_cache_is_used_without_network_or_paddlenlp(no_network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paddlenlp", None)
    folder = fill(no_network / "datasets" / "Clue" / "afqmc_public", "train.json", "dev.json", rows=4)
    for source in ("auto", "official"):
        data = load_dataset("afqmc", data_source=source, sample_allowed=True)
        assert (data.source, data.location) == ("official", str(folder))
        assert len(data.split("train")) == 4


def test_no_network_fails_fast_and_says_what_to_do(no_network: Path) -> None:
    start = time.monotonic()
    with pytest.raises(DownloadError) as caught:
        load_dataset("ocnli")
    assert time.monotonic() - start < official.PROBE_SECONDS + 2
    folder = no_network / "datasets" / "Clue" / "ocnli_public"
    for words in (
        "bj.bcebos.com",
        "train.50k.json, dev.json, test.json",
        str(folder),
        "`data_dir`",
        "`data_source` sample",
    ):
        assert words in str(caught.value)


def test_a_server_that_never_answers_fails_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(30))
    monkeypatch.setattr(official, "PROBE_SECONDS", 0.2)
    start = time.monotonic()
    with pytest.raises(DownloadError, match="no answer"):
        load_dataset("afqmc", data_source="official")
    assert time.monotonic() - start < 5


def test_sample_only_where_it_is_allowed() -> None:
    data = load_dataset("afqmc", sample_allowed=True)
    assert data.source == "sample"
    # Why the official files are not there is said, and not written beside every result.
    assert len(data.notices) == len(data.warnings) == 1
    assert "bj.bcebos.com" in data.notices[0] and "`data_source` sample" in data.notices[0]
    assert "generated sample" in data.warnings[0]
    with pytest.raises(DownloadError):
        load_dataset("afqmc", data_source="official", sample_allowed=True)
    asked = load_dataset("afqmc", data_source="sample")
    assert (len(asked.notices), len(asked.warnings)) == (0, 1)
    assert asked.split("train") == data.split("train")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data_dir": "x", "data_source": "sample"}, "leave one of them out"),
        ({"data_source": "web"}, "data source 'web' is not known: use one of auto, official, sample"),
        ({"splits": ("train", "valid")}, "split 'valid' is not known"),
        ({"limits": {"train": 0}}, "it must be at least 1"),
        ({"limits": {"all": 3}}, "split 'all' is not known"),
    ],
)
def test_arguments_that_cannot_be(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_dataset("afqmc", **arguments)


def test_empty_file_and_limits_that_stop_early(tmp_path: Path) -> None:
    fill(tmp_path, "train.json", rows=0)
    with pytest.raises(DataError, match=r"train\.json: no rows"):
        load_dataset("afqmc", data_dir=tmp_path, splits=("train",))
    (tmp_path / "train.json").write_text(ROW * 2 + "malformed\n", encoding="utf-8")
    data = load_dataset("afqmc", data_dir=tmp_path, splits=("train",), limits={"train": 2})
    assert len(data.split("train")) == 2
    with pytest.raises(ConfigError, match="without its dev split"):
        data.split("dev")


def test_rows_left_out_are_counted_in_a_warning(tmp_path: Path) -> None:
    write_sample("ocnli", tmp_path)
    data = load_dataset("ocnli", data_dir=tmp_path)
    assert data.left_out == {"train": 40, "dev": 5}
    assert "40 row(s) without a gold label" in data.notices[0] and data.warnings == ()


def test_downloads_go_through_paddlenlp(clue: Any, no_network: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clue, "DATA_HOME", str(no_network / "datasets"))
    monkeypatch.setattr(official, "_probe", lambda spec, url: None)
    asked = []

    def fetch(url: str, root: str, md5: str) -> None:
        asked.append(url)
        fill(Path(root) / "afqmc_public", "train.json", "dev.json", rows=6)

    monkeypatch.setattr(clue, "get_path_from_url", fetch)
    with pytest.raises(DownloadError, match="is not the published file"):
        load_dataset("afqmc", splits=("train",))
    assert asked == ["https://bj.bcebos.com/paddlenlp/datasets/afqmc_public.zip"]
    data = load_dataset("afqmc", splits=("train",))  # what lies in the cache is taken, whatever it is
    assert (data.source, len(data.split("train")), len(asked)) == ("official", 6, 1)

    def fail(*_: Any) -> None:
        raise RuntimeError("Retry limit reached")

    monkeypatch.setattr(clue, "get_path_from_url", fail)
    with pytest.raises(DownloadError, match=r"could not be downloaded \(Retry limit reached\)"):
        load_dataset("afqmc", splits=("test",))


def test_specifications_agree_with_paddlenlp(clue: Any) -> None:
    for name, spec in DATASETS.items():
        if spec.task_name != "seq_cls":
            continue
        published = clue.Clue.BUILDER_CONFIGS[name]
        assert {published["url"]} == set(official.official_source(spec).urls.values())
        assert tuple(published["labels"]) == get_spec(name).labels
        for split, names in spec.files.items():
            assert published["splits"][split][0] == f"{name}_public/{names[0]}"


def test_the_source_of_c3_agrees_with_paddlenlp() -> None:
    published = pytest.importorskip("paddlenlp.datasets.c3").C3
    source = official.official_source(get_spec("c3"))
    assert (source.loader, source.folder) == ((published.__module__, "C3"), Path("C3"))
    for split in SPLITS:
        first, second = published.SPLITS[split]
        assert (first.file, second.file) == get_spec("c3").files[split][:2]
        assert (source.files[split], source.urls[split]) == (f"{split}/{first.file}", first.URL)


def test_both_parts_of_c3_are_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("PPNLP_HOME", str(home))
    write_sample("c3", tmp_path / "files")
    names = {split: [f"c3-{part}-{split}.json" for part in "dm"] for split in ("train", "dev")}

    class Builder:
        SPLITS: ClassVar[dict[str, list[tuple[str, str]]]] = {
            split: [(name, official._md5(tmp_path / "files" / name)) for name in names[split]] for split in names
        }

        def _get_data(self, mode: str) -> list[str]:
            folder = home / "datasets" / "C3" / mode
            folder.mkdir(parents=True)
            return [str(shutil.copy(tmp_path / "files" / name, folder)) for name in names[mode]]

    monkeypatch.setattr(official, "_probe", lambda spec, url: None)
    monkeypatch.setattr(official, "_builder", lambda spec: Builder())
    first = load_dataset("c3")
    monkeypatch.setattr(official, "_probe", None)  # what is there is not looked for again
    again = load_dataset("c3")
    assert first.source == again.source == "official" and first.train == again.train
    assert first.split("dev") == load_dataset("c3", data_source="sample").split("dev")


def test_what_paddlenlp_does_not_have_is_said_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPNLP_HOME", str(tmp_path))
    with pytest.raises(DownloadError, match=r"does not download data set 'chid': put train\.json, .*data_dir"):
        load_dataset("chid")
    data = load_dataset("chid", sample_allowed=True)
    assert data.source == "sample" and data.notices[0].endswith("using the sample instead")


@pytest.mark.parametrize(
    ("name", "module", "loader"),
    [
        ("msra_ner", "msra_ner", "MsraNer"),
        ("cmrc2018", "cmrc2018", "CMRC2018"),
    ],
)
def test_sources_of_the_other_tasks_agree_with_paddlenlp(name: str, module: str, loader: str) -> None:
    published = getattr(pytest.importorskip(f"paddlenlp.datasets.{module}"), loader)
    source = official.official_source(get_spec(name))
    assert (source.loader, source.folder.parts[0]) == ((published.__module__, loader), loader)
    for split in SPLITS:
        entry = published.SPLITS[source.parts[split]]
        assert source.files[split] in get_spec(name).files[split]
        assert Path(loader, entry.file) == source.folder / source.files[split]
        assert source.urls[split] == (entry.URL if name == "cmrc2018" else published.URL)
    if name == "msra_ner":
        assert tuple(published(name=name).get_labels()) == get_spec(name).labels


TAGGED = "北\x02京\x02好\tB-LOC\x02I-LOC\x02O\n"
QUESTIONS = json.dumps(
    {
        "data": [
            {
                "paragraphs": [
                    {
                        "context": "甲生于北京。",
                        "qas": [
                            {"id": 1, "question": "甲生于哪里？", "answers": [{"text": "北京", "answer_start": 3}]},
                            {"id": 2, "question": "乙生于哪里？", "answers": [{"text": "上海", "answer_start": 3}]},
                        ],
                    }
                ]
            }
        ]
    }
)


@pytest.mark.parametrize(
    ("name", "folder", "files", "content"),
    [
        ("msra_ner", "MsraNer/msra_ner", ("train.tsv", "test.tsv"), TAGGED),
        ("cmrc2018", "CMRC2018", ("cmrc2018_train.json", "cmrc2018_dev.json", "cmrc2018_trial.json"), QUESTIONS),
    ],
)
def test_cache_of_the_other_tasks(
    no_network: Path, monkeypatch: pytest.MonkeyPatch, name: str, folder: str, files: tuple[str, ...], content: str
) -> None:
    directory = no_network / "datasets" / folder
    with pytest.raises(DownloadError) as caught:
        load_dataset(name, data_source="official")
    for words in ("bj.bcebos.com", ", ".join(files), str(directory), "`data_dir`"):
        assert words in str(caught.value)
    monkeypatch.setitem(sys.modules, "paddlenlp", None)
    directory.mkdir(parents=True)
    for file in files:
        (directory / file).write_text(content, encoding="utf-8")
    data = load_dataset(name, splits=SPLITS)
    assert (data.source, data.location) == ("official", str(directory))
    assert len(data.split("dev")) == len(data.split("test")) == (1 if name == "msra_ner" else 2)


@pytest.mark.parametrize(("name", "part"), [("msra_ner", "test.tsv"), ("cmrc2018", "cmrc2018_dev.json")])
def test_downloads_of_the_other_tasks(no_network: Path, monkeypatch: pytest.MonkeyPatch, name: str, part: str) -> None:
    spec = get_spec(name)
    source = official.official_source(spec)
    module = pytest.importorskip(source.loader[0])
    content = TAGGED if name == "msra_ner" else QUESTIONS
    monkeypatch.setattr(module, "DATA_HOME", str(no_network / "datasets"))
    monkeypatch.setattr(official, "_probe", lambda spec, url: None)
    asked = []

    def fetch(url: str, root: str, md5: str | None = None) -> None:
        asked.append((url, root))
        official.cache_directory(spec).mkdir(parents=True)
        (official.cache_directory(spec) / part).write_text(content, encoding="utf-8")

    monkeypatch.setattr(module, "get_path_from_url", fetch)
    with pytest.raises(DownloadError, match=f"{part} is not the published file"):
        load_dataset(name, splits=("dev",))
    assert asked == [(source.urls["dev"], str(no_network / "datasets" / source.loader[1]))]
    assert len(load_dataset(name, splits=("dev",)).split("dev")) == (1 if name == "msra_ner" else 2)


def test_a_set_of_another_task_names_its_script(tmp_path: Path) -> None:
    for name, task, script in (
        ("msra_ner", "seq_cls", "run_token_cls.py"),
        ("cmrc2018", "token_cls", "run_qa.py"),
        ("afqmc", "qa", "run_seq_cls.py"),
    ):
        with pytest.raises(ConfigError, match=f"'{name}' is of task .*, not '{task}': use {script} for it"):
            load_dataset(name, task=task, data_dir=tmp_path)
    with pytest.raises(ConfigError, match="task 'ner' is not known: use one of seq_cls, token_cls, qa"):
        load_dataset("msra_ner", task="ner")
    fill(tmp_path, "train.json")
    assert load_dataset("afqmc", task="seq_cls", data_dir=tmp_path, splits=("train",)).spec.task_name == "seq_cls"
