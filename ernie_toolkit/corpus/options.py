"""The options of a corpus's prediction, and their flags."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from ernie_toolkit.data.file_options import DEFAULT_FILE_OPTIONS, FileOptions
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text, utf8_text
from ernie_toolkit.formats.ranges import COUNT, COUNT_OR_NONE, THREADS, in_range
from ernie_toolkit.inference.engines.base import AUTO

CHUNK_ROWS = 1000


@dataclass(frozen=True)
class CorpusOptions:
    """What is predicted, and how.

    Attributes:
        input: Paths of files, or patterns.
        output: The directory of the answers.
        resume: Whether an earlier run goes on.
        overwrite: Whether an earlier run is given up.
        workers: Processes of one thread each; None: as many as there are processors, with Ray as many as fit.
        ray_address: Address of a Ray cluster, "auto" for the one of this machine; None: this machine alone.
        chunk_rows: Rows that are predicted and written at once.
        max_bad_rows: Rows without an answer after which the run stops; None: it never does.
        answer_prefix: What the names of the answer's fields begin with; None: nothing, or `layout.PREFIX` where the
            file has a column of such a name.
        reading: The encoding, and the columns that the user names.
        engine: See `choose`.
        precision: See `choose`.
        batch_size: Rows that are computed at once.
        max_seq_length: The longest sequence in tokens; None: the bundle's own.
        engine_cache: See `EngineOptions.cache`.
        verify: Whether the bundle's checksums are compared.
    """

    input: tuple[str, ...]
    output: str
    resume: bool = False
    overwrite: bool = False
    workers: int | None = None
    ray_address: str | None = None
    chunk_rows: int = CHUNK_ROWS
    max_bad_rows: int | None = None
    answer_prefix: str | None = None
    reading: FileOptions = DEFAULT_FILE_OPTIONS
    engine: str = AUTO
    precision: str = AUTO
    batch_size: int = 32
    max_seq_length: int | None = None
    engine_cache: str | None = None
    verify: bool = True


def add_corpus_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a corpus's prediction.

    Args:
        parser: The script's, which has those for texts already.
    """
    group = parser.add_argument_group("files of any size")
    group.add_argument(
        "--input",
        nargs="+",
        type=path_text,
        default=[],
        help="files to predict, or patterns of them (.jsonl, .txt, .csv, .tsv, .parquet): each row is written with its "
        "columns and its answer to OUTPUT/NAME.jsonl, one without an answer with the reason to OUTPUT/NAME.bad.jsonl",
    )
    group.add_argument("--output", type=path_text, help="directory for the answers")
    group.add_argument("--resume", action="store_true", help="go on with a run that was stopped, or start one")
    group.add_argument("--overwrite_output_dir", action="store_true", help="give up an earlier run in OUTPUT")
    group.add_argument(
        "--workers",
        type=in_range(int, THREADS),
        help="processes of one thread each (default: as many as processors that this process may use; with Ray those "
        "of the cluster)",
    )
    group.add_argument(
        "--ray_address", type=utf8_text, metavar="auto|HOST:PORT", help="predict on the machines of this Ray cluster"
    )
    group.add_argument(
        "--max_bad_rows",
        type=in_range(int, COUNT_OR_NONE),
        help="stop where more rows than this have no answer (default: go on, and say how many there are)",
    )
    group.add_argument(
        "--text_column", default="", help="the text's column, by its name, in tables by its number from 1 too"
    )
    group.add_argument("--text_pair_column", default="", help="the same of a pair's second text")
    group.add_argument(
        "--answer_prefix",
        type=utf8_text,
        help="begin the names of the answer's fields with this (default: predicted_ where a column has such a name)",
    )
    group.add_argument(
        "--chunk_rows",
        type=in_range(int, COUNT),
        default=CHUNK_ROWS,
        help="rows that a worker answers at once, and that are written together (default: %(default)s)",
    )


# The flags that only files have, by their names in the namespace, and those that only texts have.
_OF_FILES = ("output", "resume", "overwrite_output_dir", "workers", "ray_address", "max_bad_rows", "text_column")
_OF_TEXTS = ("text", "text_pair", "question", "context", "choices", "input_file", "output_file", "num_threads")


def corpus_options(args: argparse.Namespace) -> CorpusOptions | None:
    """The options of a command line, None where it predicts no files with `--input`.

    Args:
        args: Of `add_corpus_arguments`, `add_input_arguments` and `add_engine_arguments`.

    Raises:
        ConfigError: On options that exclude each other.
    """
    if not args.input:
        for name in (*_OF_FILES, "text_pair_column", "answer_prefix"):
            if getattr(args, name):
                raise ConfigError(f"--{name} is for files that --input names: give --input too")
        return None
    for name in _OF_TEXTS:
        if getattr(args, name):
            why = "; each worker has one thread" if name == "num_threads" else ""
            raise ConfigError(f"--input and --{name} exclude each other: give one of them{why}")
    if args.on_error != "stop":
        raise ConfigError("--on_error is for --input_file: with --input rows that cannot be read never stop the others")
    if not args.output:
        raise ConfigError("--input without --output: give a directory for the answers")
    if args.resume and args.overwrite_output_dir:
        raise ConfigError("--resume and --overwrite_output_dir exclude each other: give one of them")
    if args.text_pair_column and not args.text_column:
        raise ConfigError("--text_pair_column names the second text: name the first with --text_column")
    return CorpusOptions(
        tuple(args.input),
        args.output,
        args.resume,
        args.overwrite_output_dir,
        args.workers,
        args.ray_address,
        args.chunk_rows,
        args.max_bad_rows,
        args.answer_prefix,
        FileOptions(args.encoding, args.text_column, args.text_pair_column),
        args.engine,
        args.precision_mode,
        args.batch_size,
        args.max_seq_length,
        args.engine_cache,
        not args.no_verify,
    )
