"""The files of PaddleNLP's two guides are there, hold no library code, and give the names that others import."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import ROOT

LONGEST = 90  # lines of a script
FILES = (
    *(f"run_{task}.py" for task in ("seq_cls", "token_cls", "qa")),
    *(f"compress_{task}.py" for task in ("seq_cls", "token_cls", "qa")),
    *("utils.py", "configs/default.yml", "deploy/README.md", "deploy/README_en.md"),
    *(f"deploy/predictor/{name}.py" for name in ("ernie_predictor", "infer", "infer_cpu", "infer_gpu")),
    *(f"deploy/python/{task}_infer.py" for task in ("seq_cls", "token_cls")),
    *(f"deploy/simple_serving/{kind}_{task}.py" for kind in ("server", "client") for task in ("token_cls", "qa")),
    *(f"deploy/triton_serving/{task}_grpc_client.py" for task in ("seq_cls", "token_cls")),
    *(f"deploy/serving/{task}_rpc_client.py" for task in ("seq_cls", "token_cls")),
    *(f"multi_label/{name}.py" for name in ("train", "predict", "export_model", "metric", "utils", "doccano")),
    *(f"multi_label/{name}.py" for name in ("prune", "prune_trainer")),
    *(f"multi_label/analysis/{name}.py" for name in ("evaluate", "sparse", "dirty", "aug")),
    *(f"multi_label/deploy/predictor/{name}.py" for name in ("infer", "predictor")),
    *(f"multi_label/deploy/simple_serving/{name}.py" for name in ("server", "client")),
    *(f"multi_label/deploy/paddle_serving/{name}.py" for name in ("service", "http_client", "rpc_client")),
    *("multi_label/deploy/paddle_serving/config.yml", "multi_label/deploy/triton_serving/seqcls_grpc_client.py"),
    *(f"{folder}/triton_serving/models" for folder in ("deploy", "multi_label/deploy")),
)
# Modules beside the scripts, and the library's that they give the names of.
FACES = {
    "deploy/predictor/ernie_predictor.py": "ernie_toolkit.inference.cli",
    "deploy/python/fastdeploy_predictor.py": "ernie_toolkit.fastdeploy",
    "multi_label/deploy/predictor/predictor.py": "ernie_toolkit.inference.label_sets",
    "multi_label/metric.py": "ernie_toolkit.multi_label.metric_report",
    "multi_label/prune_trainer.py": "ernie_toolkit.multi_label.pruning",
}
SAME = """
import importlib, sys
face, library = (importlib.import_module(name) for name in sys.argv[1:])
assert face.__all__ and all(getattr(face, name) is getattr(library, name) for name in face.__all__)
"""


def scripts() -> list[Path]:
    """The scripts and modules in the guides' folders."""
    return sorted(path for folder in ("deploy", "multi_label") for path in (ROOT / folder).rglob("*.py"))


def test_the_guides_files_are_there() -> None:
    assert [name for name in FILES if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", scripts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_scripts_are_short_and_hold_no_classes(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= LONGEST
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize("face", FACES)
def test_faces_give_the_librarys_names(face: str) -> None:
    command = [sys.executable, "-c", SAME, Path(face).stem, FACES[face]]
    subprocess.run(command, cwd=(ROOT / face).parent, capture_output=True, text=True, check=True)


def readmes() -> list[Path]:
    """The Chinese READMEs of the guides' folders."""
    return sorted(path for folder in ("deploy", "multi_label") for path in (ROOT / folder).rglob("README.md"))


def commands(path: Path) -> list[str]:
    """The lines of a README's shell blocks, and the commands in its tables, without comments."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```shell\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [re.sub(r"\s+# .*", "", line) for block in blocks for line in block.splitlines()]
    return lines + re.findall(r"^\|.*`(python [^`]+)` \|$", text, re.MULTILINE)


def english(path: Path) -> Path:
    """The English twin of a Chinese page."""
    return path.with_name(f"{path.stem}_en.md")


def pages() -> list[Path]:
    """The Chinese pages of docs/, and the project's README."""
    found = [path for path in sorted((ROOT / "docs").glob("*.md")) if english(path).exists()]
    return [ROOT / "README.md", *found]


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_pages_say_the_same_in_both_languages(path: Path) -> None:
    assert commands(path) == commands(english(path))
    headings, tables = (
        [len(re.findall(pattern, page.read_text(encoding="utf-8"), re.MULTILINE)) for page in (path, english(path))]
        for pattern in (r"^#+ ", r"^\| --- ")
    )
    assert headings[0] == headings[1] and tables[0] == tables[1]


def test_the_first_page_is_short() -> None:
    for path in (ROOT / "README.md", ROOT / "README_en.md"):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 130


def test_the_pages_are_built_and_no_link_leads_nowhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--config-file", "docs/mkdocs.yml"]
    result = subprocess.run(
        [*command, "--site-dir", str(tmp_path / "site")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "docs/" not in re.findall(r'href="([^"]*)"', page) and 'href="fine_tuning.html"' in page
    # Nothing is loaded from elsewhere: links may lead there, scripts, styles and pictures may not.
    assert re.findall(r'<(?:script|img)[^>]*src="https?:|<link[^>]*stylesheet[^>]*href="https?:', page) == []


@pytest.mark.parametrize("path", readmes(), ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_both_languages_have_the_same_commands(path: Path) -> None:
    found = commands(path)
    assert found and found == commands(path.with_name("README_en.md"))
    scripts = {word for line in found for word in line.split() if word.endswith(".py") and "/" in word}
    places = (ROOT, ROOT / "multi_label")
    assert [name for name in scripts if not any((place / name).is_file() for place in places)] == []


@pytest.mark.parametrize("path", readmes(), ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for language in (path, path.with_name("README_en.md")):
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", language.read_text(encoding="utf-8"))
        inner = [link for link in links if not link.startswith("http")]
        assert inner and [link for link in inner if not (language.parent / link).exists()] == []


def test_the_table_of_devices_and_engines_names_every_deployment() -> None:
    folders = {path.parent.name for path in (ROOT / "deploy").glob("*/README.md")}
    for name in ("README.md", "README_en.md"):
        text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
        assert [folder for folder in folders if f"({folder}/{name})" not in text] == []
