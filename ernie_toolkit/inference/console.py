"""What the prediction scripts share: arguments for texts, built-in examples, answers for people and files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import BundleInfo
from ernie_toolkit.compat import strict_zip
from ernie_toolkit.console import notice, print_line, warn, with_flags
from ernie_toolkit.data.file_options import ENCODINGS, ON_ERROR, FileOptions, FileRecord
from ernie_toolkit.data.inputs import InputRow, read_input_rows, skipped_notice, with_answers
from ernie_toolkit.data.lines import check_text
from ernie_toolkit.decoding import NO_OPTIONS, Answer, AnswerOptions
from ernie_toolkit.errors import ConfigError, DataError
from ernie_toolkit.files import check_output_file, write_text
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.escapes import terminal_line
from ernie_toolkit.tasks import TASKS
from ernie_toolkit.text.blanks import blanks_of
from ernie_toolkit.text.features import MIN_CHOICES, TextInput
from ernie_toolkit.text.formats import CHOICE_FORMATS, PAIR_FORMATS


def examples_of(info: BundleInfo) -> list[TextInput]:
    """Built-in texts of the kind that a bundle reads."""
    return TASKS[info.task].examples_for(info.text_format)


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of texts of every kind, `--input_file`, `--output_file`, and how a file is read."""
    parser.add_argument("--text", nargs="+", default=[], help="texts to predict")
    parser.add_argument("--text_pair", nargs="+", default=[], help="second texts, where the model reads pairs")
    parser.add_argument("--question", nargs="+", default=[], help="questions, for a model that answers them")
    parser.add_argument("--context", nargs="+", default=[], help="one context for all questions, or one for each")
    parser.add_argument("--choices", nargs="+", default=[], help="choices for all questions, for a model that chooses")
    parser.add_argument(
        "--input_file",
        type=path_text,
        help="inputs: one a line (pairs separated by a tab), or JSON lines (.json, .jsonl)",
    )
    parser.add_argument(
        "--output_file", type=path_text, help="write one JSON object a line here instead of printing answers"
    )
    add_reading_arguments(parser)


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """`--on_error` and `--encoding`: how a file to predict is read."""
    parser.add_argument(
        "--on_error",
        default=ON_ERROR[0],
        choices=ON_ERROR,
        help="rows of a file that are blank or cannot be read: stop there, or skip them with an answer of null, so "
        "that there are as many answers as lines (default: %(default)s)",
    )
    parser.add_argument(
        "--encoding",
        default=ENCODINGS[0],
        choices=ENCODINGS,
        help="bytes of the file; auto: UTF-8, UTF-16 or GB18030, whichever the bytes show (default: %(default)s)",
    )


def inputs_of(args: argparse.Namespace, info: BundleInfo) -> list[InputRow]:
    """What to predict: the command line's texts, the file's rows, or the built-in examples.

    Args:
        args: Of `add_input_arguments`.
        info: What the bundle says.

    Raises:
        ConfigError: Where they do not fit the model, or `--output_file` cannot be written.
        DataError: As `read_input_rows`.
    """
    if args.output_file:
        check_output_file(Path(args.output_file))
    given = [name for name in ("input_file", "text", "question") if getattr(args, name)]
    if args.input_file and args.choices:
        given.append("choices")
    if len(given) > 1:
        raise ConfigError(f"--{given[0]} and --{given[1]} exclude each other: give one of them")
    if args.input_file:
        options, record = FileOptions(encoding=args.encoding, on_error=args.on_error), FileRecord()
        rows = read_input_rows(Path(args.input_file), info.text_format, options, info.labels, record)
        for message in record.notices:
            notice(message)
        return rows
    for name in ("text", "text_pair", "question", "context", "choices"):
        setattr(args, name, [_as_typed(text) for text in getattr(args, name)])
        for number, text in enumerate(getattr(args, name), 1):
            try:
                check_text(text, f"text {number}", f"--{name}")
            except DataError as error:
                raise ConfigError(str(error)) from None
    return [InputRow(text) for text in _texts(args, info)]


def _as_typed(text: str) -> str:
    """An argument that a locale without Chinese (LC_ALL=C) has left undecoded, by its bytes in UTF-8 where they are it.

    Any other text, half characters too, stays as it is.
    """
    if not any("\udc80" <= character <= "\udcff" for character in text):
        return text
    try:
        return text.encode(sys.getfilesystemencoding(), "surrogateescape").decode("utf-8")
    except UnicodeError:
        return text


def _texts(args: argparse.Namespace, info: BundleInfo) -> Sequence[TextInput]:
    """The texts of the command line, or built-in ones."""
    if info.text_format in CHOICE_FORMATS:
        return _choices(args, info)
    if args.choices:
        raise ConfigError("this model reads no choices: leave --choices out")
    if "question" in TASKS[info.task].text_fields(info.text_format):
        return _questions(args, info)
    if args.question or args.context:
        raise ConfigError("this model answers no questions: give --text in place of --question and --context")
    pairs = info.text_format in PAIR_FORMATS
    if not args.text:
        if args.text_pair:
            raise ConfigError("--text_pair without --text: give both")
        return examples_of(info)
    if pairs and len(args.text_pair) != len(args.text):
        raise ConfigError(
            f"this model reads pairs: {len(args.text)} --text and {len(args.text_pair)} --text_pair do not make pairs"
        )
    if not pairs and args.text_pair:
        raise ConfigError("this model reads single texts: leave --text_pair out")
    return list(strict_zip(args.text, args.text_pair)) if pairs else list(args.text)


def _questions(args: argparse.Namespace, info: BundleInfo) -> list[TextInput]:
    if args.text or args.text_pair:
        raise ConfigError("this model answers questions: give --question and --context in place of --text")
    if not args.question and not args.context:
        return examples_of(info)
    contexts = args.context * len(args.question) if len(args.context) == 1 else args.context
    if not args.question or len(contexts) != len(args.question):
        raise ConfigError(
            f"{len(args.question)} --question and {len(args.context)} --context do not fit: "
            "give one context for all questions, or one for each"
        )
    return list(strict_zip(args.question, contexts))


def _choices(args: argparse.Namespace, info: BundleInfo) -> list[TextInput]:
    if args.text or args.text_pair:
        raise ConfigError("this model chooses: give --context, --question and --choices in place of --text")
    if not args.question and not args.context and not args.choices:
        return examples_of(info)
    return choice_inputs(args, info.text_format == "cloze")


def choice_inputs(args: argparse.Namespace, cloze: bool) -> list[TextInput]:
    """Inputs of a model that chooses, from `--context`, `--question` and `--choices`.

    Args:
        args: Has a context for all questions, or one for each; questions, of which there may be none where the choices
            belong to the context alone (of a cloze: every blank); and the choices of every question.
        cloze: Whether questions are blanks.

    Raises:
        ConfigError: Where they do not fit each other.
    """
    contexts, questions, choices = args.context, args.question, args.choices
    if not contexts or len(choices) < MIN_CHOICES:
        raise ConfigError(
            f"{len(contexts)} --context and {len(choices)} --choices: give a context and {MIN_CHOICES} choices at least"
        )
    if not questions:
        pairs = [(context, blank) for context in contexts for blank in (blanks_of(context) if cloze else [""])]
        if not pairs:
            raise ConfigError("--context has no blank: write it as #idiom1#")
    else:
        shared = list(contexts) * len(questions) if len(contexts) == 1 else contexts
        if len(shared) != len(questions):
            raise ConfigError(
                f"{len(questions)} --question and {len(contexts)} --context do not fit: "
                "give one context for all questions, or one for each"
            )
        pairs = list(strict_zip(shared, questions))
    return [(context, question, *choices) for context, question in pairs]


def fields_of(row: InputRow, answer: Answer | None, task: str, options: AnswerOptions = NO_OPTIONS) -> dict[str, Any]:
    """One line of the output file: `line` (or `id`) of a file's row, `text`, and `Answer.fields`.

    Of a row that could not be read all is null but its place and its `reason`.

    Args:
        row: The row.
        answer: Its answer, None where it could not be read.
        task: The task's name, as in `TASKS`.
        options: What was asked of the answers.
    """
    place = {} if row.place is None else {"line" if isinstance(row.place, int) else "id": row.place}
    if answer is None or row.text is None:
        return {
            **place,
            "text": None,
            **dict.fromkeys(TASKS[task].answer_names(options)),
            "reason": with_flags(row.reason),
        }
    return {**place, "text": row.text if isinstance(row.text, str) else list(row.text), **answer.fields()}


def output_lines(
    rows: Iterable[InputRow], answers: Iterable[Answer], task: str, options: AnswerOptions = NO_OPTIONS
) -> str:
    """The output file: a JSON object a line for each row.

    Args:
        rows: The rows that were read.
        answers: One for each row that has a text.
        task: The task's name, as in `TASKS`.
        options: What was asked of the answers.
    """
    found = (fields_of(row, answer, task, options) for row, answer in with_answers(rows, answers))
    return "".join(json.dumps(fields, ensure_ascii=False) + "\n" for fields in found)


def show_skipped(row: InputRow) -> str:
    """A row that could not be read, for people."""
    return f"input: (none)\nno answer: {terminal_line(with_flags(row.reason))}\n"


def show(text: TextInput, answer: Answer) -> str:
    """An input and its answer for people; positions of entities are their first and last character.

    Args:
        text: The text or the pair.
        answer: Its answer.
    """
    lines = [f"input: {text if isinstance(text, str) else ' | '.join(text)}", *answer.lines()]
    return "\n".join(map(terminal_line, lines)) + "\n"


def show_labels(text: str, names: Sequence[str], confidences: Sequence[float]) -> str:
    """A text and the labels that a service gave it, for people.

    Args:
        text: The text.
        names: The labels' readable names.
        confidences: The labels' probabilities.
    """
    values = ", ".join(f"{value:.3f}" for value in confidences)
    lines = (f"text: {text}", f"label: {', '.join(names) or '(none)'}", f"confidence: {values or '-'}", "-" * 20)
    return "\n".join(map(terminal_line, lines))


def report(
    rows: Sequence[InputRow],
    answers: Sequence[Answer],
    info: BundleInfo,
    output_file: str | None,
    options: AnswerOptions = NO_OPTIONS,
) -> None:
    """Write the answers to a file, or print them, beside what there is to warn about.

    Args:
        rows: The rows that were read.
        answers: One for each row that has a text.
        info: What the bundle says.
        output_file: Path for one JSON object a line; None prints.
        options: What was asked of the answers.
    """
    if output_file:
        write_text(Path(output_file), output_lines(rows, answers, info.task, options))
    warn_of(rows, info)
    if output_file:
        print_line(f"{len(rows)} answers in {output_file}")
        return
    for row, answer in with_answers(rows, answers):
        print(show_skipped(row) if answer is None or row.text is None else show(row.text, answer))


def warn_of(rows: Sequence[InputRow], info: BundleInfo) -> None:
    """Print the bundle's warnings, and how many rows have no answer.

    Args:
        rows: The rows that were read.
        info: What the bundle says.
    """
    skipped = skipped_notice(rows)
    for warning in (*info.warnings, *([skipped] if skipped else [])):
        warn(warning)
