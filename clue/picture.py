"""Draw the quality of models against their latency: those of a grid search, and compressed ones beside them.

python clue/picture.py clue_results --data_dir DIR
python clue/picture.py clue_results --data_dir DIR --bundles best_models/iflytek/compress
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from ernie_toolkit.arguments.settings import add_options, resolve_options
from ernie_toolkit.clue_benchmark.options import PictureOptions
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, notice, say, warn
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text


def build_parser() -> OneLineParser:
    """The arguments of this script."""
    parser = OneLineParser(prog="picture.py", description=__doc__)
    parser.add_argument("results", type=path_text, help="the --output_dir of grid_search.py")
    add_options(parser, PictureOptions)
    return parser


def main(argv: Sequence[str]) -> None:
    """Find the models, measure them in turns, write the figures and the picture."""
    parser = build_parser()
    given = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        options = resolve_options(PictureOptions, {}, given)
        if options.data_source == "sample" and options.data_dir:
            raise ConfigError("--data_source sample takes no --data_dir: leave one of them out")

        from ernie_toolkit.clue_benchmark.drawn_models import AVERAGE, further_models, quality_sets, searched_models
        from ernie_toolkit.clue_benchmark.latency import as_record, default_picture, iflytek_texts, measure_models
        from ernie_toolkit.clue_benchmark.picture import draw_points
        from ernie_toolkit.clue_benchmark.table import read_rows
        from ernie_toolkit.files import check_output_file, write_json
        from ernie_toolkit.inference.processor import processor_name

        results = Path(given.results)
        path = Path(options.output_file) if options.output_file else default_picture(results)
        check_output_file(path)
        rows = read_rows(results)
        found = [further_models(Path(directory)) for directory in options.bundles]
        datasets = list(dict.fromkeys(dataset for dataset, _ in found))
        quality = options.quality or (datasets[0] if datasets else AVERAGE)
        if any(dataset != quality for dataset in datasets):
            raise ConfigError(
                f"--bundles are of {', '.join(datasets)}, and quality is of {quality}: give those of one set"
            )

        sets = quality_sets(rows, quality)
        models, lines = searched_models(results, rows, sets)
        models += [model for _, listed in found for model in listed]
        notice(*lines)
        texts, source = iflytek_texts(options.data_dir, options.data_source, options.max_seq_length)
        if "(sample)" in source:
            warn("the texts are the toolkit's generated sample; rows of the real set have the same number of tokens")
        points = measure_models(models, texts, options.max_seq_length, notice)

        shown = ", ".join(name.upper() for name in sets)
        title = f"average of {shown}" if len(sets) > 1 else shown
        sampled = any(row.scores[name].shared["data_source"] == "sample" for row in rows for name in row.scores)
        if sampled:
            source += "; quality is on the generated sample and says nothing about the real sets"
        below = f"{source}, rows of {options.max_seq_length} tokens; {processor_name()}"
        write_json(path.with_suffix(".json"), as_record(points, sets, source, options.max_seq_length))
        draw_points(points, path, title, below)
        for point in points:
            say(
                f"{point.model} {point.engine} {point.precision}, batch {point.batch_size}, threads {point.threads}: "
                f"{point.latency_ms:g} ms, quality {100 * point.quality:.2f}"
            )
        say(f"picture: {path} (figures: {path.with_suffix('.json')})")


if __name__ == "__main__":
    main(sys.argv[1:])
