"""The parser of each script, made by the script's own code in this process."""

import argparse
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
TASKS = {"seq_cls": "afqmc", "token_cls": "msra_ner", "qa": "cmrc2018", "multiple_choice": "c3"}


@contextmanager
def imports_from(*folders: Path) -> Iterator[None]:
    """Modules of these folders can be imported, and are forgotten afterwards: several have one name."""
    before = set(sys.modules)
    sys.path[:0] = map(str, folders)
    try:
        yield
    finally:
        del sys.path[: len(folders)]
        for name in set(sys.modules) - before:
            place = getattr(sys.modules[name], "__file__", None) or ""
            if Path(place).parent in folders:
                del sys.modules[name]


def load(path: Path) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location("script_" + path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        with imports_from(path.parent, ROOT):
            spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    return module


def parser_of(script: str) -> argparse.ArgumentParser:
    """The parser of a script, by its path from the project's root."""
    path, (word, _, task) = ROOT / script, Path(script).stem.partition("_")
    if script.startswith(("run_", "compress_")):
        from ernie_toolkit.commands import compression, fine_tuning

        return (fine_tuning if word == "run" else compression).build_parser(task, TASKS[task], None)
    if script == "distill.py":
        from ernie_toolkit.commands import distillation

        return distillation.build_parser(None)
    if "simple_serving" in script:
        from ernie_toolkit.simple_serving import cli, client

        task = task or "multi_label"
        if word == "server":
            return cli.build_parser(task, None)
        return client.build_parser(task, None, TASKS.get(task))
    if script.startswith("deploy/python"):
        return load(path.with_name("fastdeploy_predictor.py")).build_parser(path.name, None, script.split("/")[-1][:-9])
    module = load(path)
    return module.make_parser() if script.startswith("deploy/predictor") else module.build_parser()
