"""Ask a running service.py for the labels of texts over HTTP.

python multi_label/deploy/paddle_serving/http_client.py
python multi_label/deploy/paddle_serving/http_client.py --prob_limit 0.3 --text 快递当天就到了，不过外盒压得变形。
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.files.paths import utf8_text
from ernie_toolkit.formats.ranges import SHARE, in_range
from ernie_toolkit.inference.console import show_labels
from ernie_toolkit.paddle_serving.client import ask_http
from ernie_toolkit.tasks import MultiLabelClassification


def main(argv: Sequence[str]) -> None:
    """Parse arguments, ask, print the labels of each text."""
    parser = OneLineParser(prog="http_client.py", description=__doc__)
    parser.add_argument(
        "--url", type=utf8_text, default="http://127.0.0.1:9878/seq_cls/prediction", help="(default: %(default)s)"
    )
    examples = MultiLabelClassification.examples["sentence"]
    parser.add_argument("--text", nargs="+", default=examples, help="(default: built-in examples)")
    parser.add_argument(
        "--prob_limit", type=in_range(float, SHARE), help="probability that a label has to be above (default: its own)"
    )
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        answers = ask_http(args.url, args.text, args.prob_limit)
    for text, answer in strict_zip(args.text, answers):
        print(show_labels(text, answer["label_names"], answer["confidences"]))


if __name__ == "__main__":
    main(sys.argv[1:])
