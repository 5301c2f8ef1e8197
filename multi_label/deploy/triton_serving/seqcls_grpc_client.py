"""Ask a Triton server for the labels of texts.

python multi_label/deploy/triton_serving/seqcls_grpc_client.py --url localhost:8001
python multi_label/deploy/triton_serving/seqcls_grpc_client.py --text 快递当天就到了，不过外盒压得变形。
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ernie_toolkit.compat import strict_zip
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.files.paths import utf8_text
from ernie_toolkit.inference.console import show_labels
from ernie_toolkit.tasks import MultiLabelClassification
from ernie_toolkit.triton.client import ask, connect
from ernie_toolkit.triton.interface import interface_of


def main(argv: Sequence[str]) -> None:
    """Parse arguments, ask, print the labels of each text."""
    parser = OneLineParser(prog="seqcls_grpc_client.py", description=__doc__)
    parser.add_argument("--url", type=utf8_text, default="localhost:8001", help="gRPC address (default: %(default)s)")
    examples = MultiLabelClassification.examples["sentence"]
    parser.add_argument("--text", nargs="+", default=examples, help="(default: built-in examples)")
    args = parser.parse_args(argv)
    with exit_on_toolkit_error(parser.prog):
        interface = interface_of(MultiLabelClassification.name, False)
        answers = ask(connect(args.url, interface), interface, args.text)
    for text, answer in strict_zip(args.text, answers):
        print(show_labels(text, answer["label_names"], answer["confidences"]))


if __name__ == "__main__":
    main(sys.argv[1:])
