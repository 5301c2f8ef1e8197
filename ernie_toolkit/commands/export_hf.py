"""Write a trained model as Hugging Face's transformers reads it: config.json, model.safetensors and tokenizer files.

ernie-toolkit export-hf best_models/tnews tnews-hf
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, say, warn
from ernie_toolkit.files.paths import path_text

_SHOWN = 3


def build_parser() -> OneLineParser:
    """The arguments of this command."""
    parser = OneLineParser(prog="ernie-toolkit export-hf", description=__doc__)
    parser.add_argument("model", type=path_text, metavar="MODEL", help="folder of a trained or pruned model")
    parser.add_argument("output", type=path_text, metavar="OUTPUT", help="folder that gets the files")
    parser.add_argument("--overwrite_output_dir", action="store_true", help="replace an earlier export in OUTPUT")
    return parser


def main(argv: Sequence[str]) -> None:
    """Check, convert, write, report.

    Args:
        argv: The arguments.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        from ernie_toolkit.models.transformers_export import describe, export_transformers

        model = export_transformers(Path(args.model), Path(args.output), args.overwrite_output_dir)
        if model.left_out:
            names = ", ".join(model.left_out[:_SHOWN]) + (", ..." if len(model.left_out) > _SHOWN else "")
            warn(f"left out, since transformers' model has no such weights: {names} ({len(model.left_out)} in all)")
        say(f"{args.output}: {describe(model)}", f"load it: {_loading(model.config['architectures'][0], args.output)}")


def _loading(architecture: str, directory: str) -> str:
    """The line of Python that loads a model of an architecture."""
    _, _, head = architecture.partition("For")
    return f"transformers.AutoModelFor{head}.from_pretrained({directory!r})"


if __name__ == "__main__":
    main(sys.argv[1:])
