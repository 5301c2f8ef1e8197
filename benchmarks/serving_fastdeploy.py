"""The part of serving.py that runs with FastDeploy's Python: its ONNX Runtime backend in process.

python benchmarks/serving_fastdeploy.py --model_path best_models/tnews/export --texts DIR/tnews/dev.json

A FastDeploy runtime serves one caller at a time, so clients take turns. Prints the figures as one line of JSON.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path

from serving_load import Ask, measure

from ernie_toolkit.bundle import read_bundle
from ernie_toolkit.console import OneLineParser
from ernie_toolkit.data.inputs import read_inputs
from ernie_toolkit.fastdeploy import RuntimeSettings, open_predictor
from ernie_toolkit.text.features import TextInput


def main() -> None:
    """Parse arguments, measure, print."""
    parser = OneLineParser(prog="serving_fastdeploy.py", description=__doc__)
    parser.add_argument("--model_path", type=Path, required=True)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--max_texts", type=int, default=1000)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--num_threads", type=int, default=2)
    parser.add_argument("--precision_mode", default="int8", choices=("fp32", "int8"))
    args = parser.parse_args()
    bundle = read_bundle(args.model_path)
    int8 = args.precision_mode == "int8"
    predictor = open_predictor(bundle, RuntimeSettings(int8=int8, num_threads=args.num_threads))
    texts = read_inputs(args.texts, bundle.info.text_format)[: args.max_texts]
    turn = threading.Lock()

    def ask(text: TextInput) -> None:
        with turn:
            predictor.predict([text])

    def make_ask() -> Ask:
        return ask

    print(json.dumps({str(clients): measure(make_ask, texts, clients, args.seconds) for clients in args.clients}))


if __name__ == "__main__":
    main()
