"""The installed command `ernie-toolkit`: each sub-command is one of the project's scripts or modules, run as it is."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ernie_toolkit
from ernie_toolkit.arguments.options import dataset_name
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.errors import ConfigError

PROGRAM = "ernie-toolkit"


@dataclass(frozen=True)
class Command:
    """A sub-command of the installed command.

    Attributes:
        scripts: The scripts that it runs, by task, under "" where there is one for all.
        text: A line for `--help`.
        by_data: Whether `--dataset` says which task it is.
        module: The module that it runs in place of a script; empty: none.
    """

    scripts: dict[str, str]
    text: str
    by_data: bool = False
    module: str = ""


def _each_task(pattern: str) -> dict[str, str]:
    return {task: pattern.format(task) for task in ("seq_cls", "token_cls", "qa", "multiple_choice")}


COMMANDS = {
    "train": Command(_each_task("run_{}.py"), "fine-tune, evaluate, predict, export", by_data=True),
    "compress": Command(_each_task("compress_{}.py"), "prune and quantize a fine-tuned model", by_data=True),
    "export-hf": Command(
        {}, "write a trained model as Hugging Face's transformers reads it", module="ernie_toolkit.commands.export_hf"
    ),
    "distill": Command({"": "distill.py"}, "train several small students of one fine-tuned teacher"),
    "cascade": Command(
        {},
        "join bundles: a small model answers first, a larger one what that is unsure of",
        module="ernie_toolkit.commands.cascade",
    ),
    "predict": Command(
        {"": "deploy/predictor/infer_cpu.py"}, "answer texts, or files of any size, with a bundle, on the CPU"
    ),
    "predict-gpu": Command({"": "deploy/predictor/infer_gpu.py"}, "answer texts with a bundle, on a GPU"),
    "serve": Command(
        {
            **_each_task("deploy/simple_serving/server_{}.py"),
            "multi_label": "multi_label/deploy/simple_serving/server.py",
        },
        "an HTTP service of a bundle; --task says of which task",
    ),
    "triton": Command({"": "deploy/triton_serving/build_repository.py"}, "a model repository for Triton of bundles"),
    "triton-start": Command({"": "deploy/triton_serving/start_server.py"}, "start Triton on a model repository"),
    "multi-label": Command({"": "multi_label/train.py"}, "fine-tune on texts with any number of labels"),
    "multi-label-predict": Command({"": "multi_label/predict.py"}, "answer texts with such a model"),
    "multi-label-export": Command({"": "multi_label/export_model.py"}, "export such a model"),
    "multi-label-prune": Command({"": "multi_label/prune.py"}, "prune such a model"),
    "doccano": Command({"": "multi_label/doccano.py"}, "a data directory out of doccano's export"),
}
# Flags are those that the sub-command's own help lists, so that they are never others than it has.
_BASH = f"""
_ernie_toolkit() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{" ".join((*COMMANDS, "completion"))} --help --version" -- "$word"))
  elif [[ "$word" == -* ]]; then
    COMPREPLY=($(compgen -W "$({PROGRAM} "${{COMP_WORDS[1]}}" --help 2>/dev/null | grep -oE -- '--[A-Za-z_0-9]+' | sort -u)" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}}
complete -o filenames -F _ernie_toolkit {PROGRAM}
"""  # noqa: E501 - a line of shell
COMPLETIONS = {"bash": _BASH, "zsh": "autoload -U +X bashcompinit && bashcompinit\n" + _BASH}


def scripts_directory() -> Path:
    """Where the scripts lie: in an installed package inside it, in a checkout beside it."""
    package = Path(ernie_toolkit.__file__).resolve().parent
    return package / "scripts" if (package / "scripts").is_dir() else package.parent


def script_of(command: Command, words: Sequence[str]) -> tuple[str, list[str]]:
    """The script that a sub-command runs with some arguments, and the arguments without `--task`.

    Args:
        command: The sub-command.
        words: What stands behind it on the command line.

    Raises:
        ConfigError: On a task that it does not have.
    """
    if "" in command.scripts:
        return command.scripts[""], list(words)
    parser = OneLineParser(prog=PROGRAM, add_help=False)
    parser.add_argument("--task")
    known, rest = parser.parse_known_args(list(words))
    task = known.task or (_task_of_data(rest) if command.by_data else None) or "seq_cls"
    if task not in command.scripts:
        raise ConfigError(f"--task {task}: use one of {', '.join(command.scripts)}")
    return command.scripts[task], rest


def _task_of_data(words: Sequence[str]) -> str | None:
    """The task of the data set that some arguments name, None where they name none that is known."""
    from ernie_toolkit.data.registry import DATASETS

    parser = OneLineParser(prog=PROGRAM, add_help=False)
    parser.add_argument("--dataset", type=dataset_name)
    known, _ = parser.parse_known_args([word for word in words if word not in ("-h", "--help")])
    spec = DATASETS.get(known.dataset)
    return spec.task_name if spec else None


def main(argv: Sequence[str] | None = None) -> None:
    """Run a sub-command in this process, as `python SCRIPT ARGUMENTS` would.

    Args:
        argv: The sub-command and its arguments; None: those of the process.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    parser = OneLineParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} COMMAND [ARGUMENTS]",
        description="Fine-tune, compress and deploy the lightweight ERNIE 3.0 models.",
        epilog="\n".join(
            [
                "commands:",
                *(f"  {name:<20} {command.text}" for name, command in COMMANDS.items()),
                f'  {"completion":<20} print the shell\'s completion: eval "$({PROGRAM} completion bash)", or zsh',
                "",
                f"{PROGRAM} COMMAND --help lists what a command takes.",
                "train and compress find the task by --dataset; --task says it for custom data.",
            ]
        ),
    )
    parser.add_argument("--version", action="version", version=ernie_toolkit.__version__)
    parser.add_argument("command", choices=(*COMMANDS, "completion"), metavar="COMMAND")
    name = parser.parse_args(words[:1] if words else ["--help"]).command
    with exit_on_toolkit_error(PROGRAM):
        if name == "completion":
            shell = words[1] if len(words) > 1 else "bash"
            if shell not in COMPLETIONS:
                raise ConfigError(f"completion {shell}: use one of {', '.join(COMPLETIONS)}")
            print(COMPLETIONS[shell])
            return
        command = COMMANDS[name]
        script, rest = ("", words[1:]) if command.module else script_of(command, words[1:])
    if command.module:
        sys.argv = [f"{PROGRAM} {name}", *rest]
        runpy.run_module(command.module, run_name="__main__")
        return
    path = scripts_directory() / script
    sys.argv = [str(path), *rest]
    sys.path.insert(0, str(path.parent))
    runpy.run_path(str(path), run_name="__main__")
