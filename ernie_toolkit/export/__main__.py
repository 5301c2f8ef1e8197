"""Write a fine-tuned model's static graph in the format before PIR beside its bundle.

python -m ernie_toolkit.export --legacy_pdmodel --model_name_or_path best_models/afqmc
"""

from pathlib import Path

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_line
from ernie_toolkit.errors import ModelError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.weights import SAFETENSORS_FILE, WEIGHTS_FILE, weights_file


def main() -> None:
    """Parse arguments and export."""
    parser = OneLineParser(prog="python -m ernie_toolkit.export", description=__doc__)
    parser.add_argument(
        "--model_name_or_path", type=path_text, required=True, help="fine-tuned or pruned model's folder"
    )
    parser.add_argument("--bundle_dir", type=path_text, help="its bundle (default: export/ in the model's folder)")
    parser.add_argument(
        "--legacy_pdmodel",
        action="store_true",
        required=True,
        help="write legacy/model.pdmodel and .pdiparams; bundles themselves are written by run_*.py --do_export",
    )
    args = parser.parse_args()
    with exit_on_toolkit_error(parser.prog):
        directory = Path(args.model_name_or_path)
        bundle = read_bundle(args.bundle_dir or directory / "export")
        if weights_file(directory) is None:
            raise ModelError(f"{directory}: no {SAFETENSORS_FILE} and no {WEIGHTS_FILE} in it: give a model's folder")
        from ernie_toolkit.export.legacy import export_legacy

        print_line(f"{export_legacy(directory, bundle.directory)}: model.pdmodel, model.pdiparams")


if __name__ == "__main__":
    main()
