"""Arguments of a repository, and the gRPC clients of deploy/triton_serving and deploy/serving."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_line
from ernie_toolkit.files.paths import utf8_text
from ernie_toolkit.formats.ranges import INSTANCES, QUEUE_DELAY, THREADS_OR_ALL, TRITON_BATCH, in_range
from ernie_toolkit.inference.console import choice_inputs
from ernie_toolkit.inference.engines.base import AUTO, DEVICES, ENGINES, PRECISIONS
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.text.blanks import blanks_of
from ernie_toolkit.text.features import TextInput
from ernie_toolkit.text.formats import CHOICE_FORMATS, PAIR_FORMATS
from ernie_toolkit.triton.client import ask, connect
from ernie_toolkit.triton.interface import interface_of
from ernie_toolkit.triton.repository import BACKENDS, RepositoryOptions


def add_repository_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `RepositoryOptions`."""
    parser.add_argument(
        "--backend",
        default="python",
        choices=BACKENDS,
        help="what computes the model: python runs on every Triton, onnxruntime in NVIDIA's container, fastdeploy "
        "in FastDeploy's (default: %(default)s)",
    )
    parser.add_argument("--device", default="cpu", choices=DEVICES, help="(default: %(default)s)")
    parser.add_argument(
        "--precision",
        default=AUTO,
        choices=(AUTO, *PRECISIONS),
        help="auto: what the bundle recommends for the server's processor, else fp32 (default: %(default)s)",
    )
    parser.add_argument(
        "--engine",
        default=AUTO,
        choices=(AUTO, *ENGINES),
        help="of the python backend; auto: what the bundle recommends, where the server has it, else the first it has "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--instances", type=in_range(int, INSTANCES), default=1, help="copies of the model (default: %(default)s)"
    )
    parser.add_argument(
        "--num_threads",
        type=in_range(int, THREADS_OR_ALL),
        default=0,
        help="of each copy; 0: all (default: %(default)s)",
    )
    parser.add_argument(
        "--max_batch_size",
        type=in_range(int, TRITON_BATCH),
        default=64,
        help="texts in a request (default: %(default)s)",
    )
    parser.add_argument(
        "--max_queue_delay",
        type=in_range(int, QUEUE_DELAY),
        default=2000,
        help="wait for others, microseconds (default: %(default)s)",
    )
    parser.add_argument(
        "--no_verify", action="store_true", help="do not compare the checksums of the bundle's files when it is opened"
    )


def repository_options(args: argparse.Namespace) -> RepositoryOptions:
    """How a repository is set up, as the arguments give it.

    Raises:
        ConfigError: On values that cannot be used.
    """
    return RepositoryOptions(
        args.backend,
        args.device,
        args.precision,
        args.engine,
        args.instances,
        args.num_threads,
        args.max_batch_size,
        args.max_queue_delay,
        not args.no_verify,
    )


def run_client(prog: str, description: str | None, task: str, argv: Sequence[str] | None = None) -> None:
    """Parse arguments, ask the ensemble of a task and print each answer as a line of JSON.

    Args:
        prog: The script's name.
        description: What the script is, for its help.
        task: Its ensemble is asked, for the task's own examples where the command line gives no text.
        argv: The arguments; None: those of the command line.
    """
    parser = OneLineParser(prog=prog, description=description)
    parser.add_argument("--url", type=utf8_text, default="localhost:8001", help="gRPC address (default: %(default)s)")
    chooses = TASKS[task].default_text_format in CHOICE_FORMATS
    url, texts = (_choices_of if chooses else _texts_of)(parser, task, argv)
    with exit_on_toolkit_error(prog):
        interface = interface_of(task, not isinstance(texts[0], str))
        client = connect(url, interface)
        started = time.perf_counter()
        answers = ask(client, interface, texts)
        seconds = time.perf_counter() - started
    for text, answer in strict_zip(texts, answers):
        print_line(f"input: {text if isinstance(text, str) else ' | '.join(text)}")
        print_line(f"answer: {json.dumps(answer, ensure_ascii=False)}")
        print_line("")
    print(f"{len(texts)} answer(s) in {1000 * seconds:.1f} ms")


def _choices_of(parser: argparse.ArgumentParser, task: str, argv: Sequence[str] | None) -> tuple[str, list[TextInput]]:
    """The server's address, and contexts with questions and choices."""
    parser.add_argument(
        "--context", nargs="+", default=[], metavar="TEXT", help="one for all questions, or one for each"
    )
    parser.add_argument("--question", nargs="+", default=[], metavar="TEXT", help="none: the blanks of the context")
    parser.add_argument("--choices", nargs="+", default=[], metavar="TEXT", help="those of every question")
    args = parser.parse_args(argv)
    if not args.context and not args.question and not args.choices:
        return args.url, TASKS[task].examples_for(TASKS[task].default_text_format)
    with exit_on_toolkit_error(parser.prog):
        return args.url, choice_inputs(args, cloze=any(map(blanks_of, args.context)))


def _texts_of(parser: argparse.ArgumentParser, task: str, argv: Sequence[str] | None) -> tuple[str, list[TextInput]]:
    """The server's address, and texts or pairs."""
    kind = TASKS[task]
    only_pairs, only_singles = len(kind.text_fields("sentence")) == 2, kind.default_text_format not in PAIR_FORMATS
    first, second = (f"--{name}" for name in kind.text_fields("pair"))
    parser.add_argument(first, dest="first", nargs="+", default=[], metavar="TEXT", help="what to ask about")
    parser.add_argument(second, dest="second", nargs="+", default=[], metavar="TEXT", help="the other text of each")
    parser.add_argument("--single", action="store_true", help="the built-in examples as single texts, not pairs")
    args = parser.parse_args(argv)
    if args.second and only_singles:
        parser.error(f"{second}: this model reads single texts: leave it out")
    if (args.second or (only_pairs and args.first)) and len(args.first) != len(args.second):
        parser.error(f"{len(args.first)} {first} and {len(args.second)} {second}: they do not make pairs")
    if args.first:
        return args.url, list(strict_zip(args.first, args.second)) if args.second else list(args.first)
    examples = kind.examples_for(kind.default_text_format)
    return args.url, [text[0] if args.single and not isinstance(text, str) else text for text in examples]
