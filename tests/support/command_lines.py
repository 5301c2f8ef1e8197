"""Invalid values, given to every number and every path of every script.

    python tests/support/command_lines.py [--all]

Runs the scripts themselves, all in this process, which must not import paddle: mistakes are told before that. Without
--all each option gets one of the values, each option the next one. Prints what went wrong.
"""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[2])]

from script_parsers import ROOT, imports_from  # noqa: E402

from ernie_toolkit.console import OneLineParser  # noqa: E402
from ernie_toolkit.files.paths import path_text, utf8_text  # noqa: E402

SCRIPTS = (
    *("run_seq_cls.py", "run_token_cls.py", "run_qa.py", "run_multiple_choice.py"),
    *("compress_seq_cls.py", "compress_token_cls.py", "compress_qa.py", "compress_multiple_choice.py"),
    *(f"clue/{name}.py" for name in ("grid_search", "table", "picture")),
    *(f"multi_label/{name}.py" for name in ("train", "prune", "predict", "export_model", "doccano")),
    *(f"multi_label/analysis/{name}.py" for name in ("evaluate", "sparse", "dirty", "aug")),
    *(f"deploy/predictor/{name}.py" for name in ("infer", "infer_cpu", "infer_gpu")),
    *(f"deploy/python/{name}_infer.py" for name in ("seq_cls", "token_cls", "qa", "multiple_choice")),
    *(f"deploy/simple_serving/server_{name}.py" for name in ("seq_cls", "token_cls", "qa", "multiple_choice")),
    *(f"deploy/simple_serving/client_{name}.py" for name in ("seq_cls", "token_cls", "qa", "multiple_choice")),
    *(f"deploy/triton_serving/{name}.py" for name in ("build_repository", "start_server")),
    *(f"multi_label/deploy/simple_serving/{name}.py" for name in ("server", "client")),
    *(f"multi_label/deploy/paddle_serving/{name}.py" for name in ("service", "http_client", "rpc_client")),
    *(f"deploy/triton_serving/{name}_grpc_client.py" for name in ("seq_cls", "token_cls", "qa", "multiple_choice")),
    *(f"deploy/serving/{name}_rpc_client.py" for name in ("seq_cls", "token_cls", "qa", "multiple_choice")),
    "distill.py",
    "multi_label/deploy/triton_serving/seqcls_grpc_client.py",
    *("multi_label/deploy/predictor/infer.py", "ernie_toolkit/export/__main__.py", "scripts/compare_reports.py"),
    "ernie_toolkit/commands/export_hf.py",
    "ernie_toolkit/commands/cascade.py",
)
NUMBERS = (
    "nan",
    "inf",
    "-inf",
    "1e30",
    "-1e30",
    "9" * 5000,
    "-1" + "0" * 12,
    "1" + "0" * 30,
    "18446744073709551616",
    "",
)
PATHS = ("", "a" * 300, "a" * 5000, "a/" * 2500, "b\udcff", "b\0", "b\ud800")
# What else a script needs before it looks at the value.
NEEDED = {
    "scripts/compare_reports.py": ["report.json"],
    "clue/table.py": ["clue_results"],
    "clue/picture.py": ["clue_results"],
    "ernie_toolkit/export/__main__.py": ["--legacy_pdmodel", "--model_name_or_path", "nowhere"],
}


class _Seen(Exception):
    """A script's parser, in place of a run."""


def _run(script: str, arguments: list[str]) -> tuple[int | str | None, str]:
    """Exit code and standard error of a script."""
    errors = io.StringIO()
    with imports_from((ROOT / script).parent, ROOT), contextlib.redirect_stderr(errors):
        sys.argv = [script, *arguments]
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                runpy.run_path(str(ROOT / script), run_name="__main__")
        except SystemExit as end:
            return end.code, errors.getvalue()
    return 0, errors.getvalue()


def _parser(script: str) -> OneLineParser:
    """The parser that a script makes."""
    found: list[OneLineParser] = []
    original = OneLineParser.parse_known_args

    def catch(self: OneLineParser, *_: object, **__: object) -> None:
        found.append(self)
        raise _Seen

    OneLineParser.parse_known_args = catch  # type: ignore[method-assign, assignment]
    try:
        _run(script, [])
    except _Seen:
        pass
    finally:
        OneLineParser.parse_known_args = original  # type: ignore[method-assign]
    return found[0]


def options(script: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The options of a script that take numbers or paths, what each is called there, and values that it must refuse."""
    for action in _parser(script)._actions:
        flag = next((name for name in action.option_strings if name.startswith("--")), "")
        if not flag or action.help == "==SUPPRESS==":
            continue
        if getattr(action.type, "__name__", "") in ("int", "float", "batch_number"):
            yield flag, action.dest, NUMBERS
        elif action.type is utf8_text:
            yield flag, action.dest, ("b\udcff", "b\ud800")
        elif action.type is path_text:
            yield flag, action.dest, PATHS
        elif flag in ("--width_mult_list", "--width_mult", "--depth_mult_list", "--depth_mult"):
            yield flag, flag[2:7], ("nan", "inf", "-1", "1e-400", "9" * 5000, "1e999999999")
        elif any(word in flag for word in ("_dir", "_file", "_path", "config")) and action.choices is None:
            yield flag, action.dest, ("an option for paths that takes any text",)


def problem(script: str, flag: str, name: str, value: str) -> str:
    """What is wrong with a script's answer to a value; empty where it refuses it in one line that names the option."""
    code, errors = _run(script, [*NEEDED.get(script, []), f"{flag}={value}"])
    shown = f"{script} {flag}={value[:30]!r}"
    lines = [line for line in errors.splitlines() if not line.startswith(("notice:", "warning:"))]
    if code != 2 or len(lines) != 1:
        return f"{shown}: exit {code}, {len(lines)} lines: {errors[-300:]}"
    if flag not in lines[0] and name not in lines[0]:
        return f"{shown}: refused for something else: {lines[0][:300]}"
    return "" if len(lines[0]) < 1500 else f"{shown}: a line of {len(lines[0])} characters"


def campaign(every: bool) -> tuple[int, list[str]]:
    """How many command lines were tried, and what went wrong with them."""
    tried, problems = 0, []
    for script in SCRIPTS:
        for place, (flag, name, values) in enumerate(options(script)):
            chosen = values if every else [values[place % len(values)]]
            for value in chosen:
                tried += 1
                problems += filter(None, [problem(script, flag, name, value)])
    return tried, problems


if __name__ == "__main__":
    everything = "--all" in sys.argv
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        count, wrong = campaign(everything)
    heavy = sorted({"paddle", "paddlenlp", "torch"} & set(sys.modules))
    wrong += [f"imported: {', '.join(heavy)}"] if heavy else []
    print(f"{count} command lines")
    print("\n".join(wrong))
    raise SystemExit(bool(wrong))
