"""The part of serving.py that runs with FastDeploy's Python: its ONNX Runtime backend in process.

python benchmarks/serving_fastdeploy.py --model_path best_models/tnews/export --texts DIR/tnews/dev.json

A FastDeploy runtime serves one caller at a time, so clients take turns. Prints the figures as one line of JSON.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "deploy" / "python"))

from fastdeploy_predictor import build_parser, make_option, open_runtime  # noqa: E402
from serving_load import Ask, measure  # noqa: E402

from ernie_toolkit.bundle import read_bundle  # noqa: E402
from ernie_toolkit.console import OneLineParser  # noqa: E402
from ernie_toolkit.data.inputs import read_inputs  # noqa: E402
from ernie_toolkit.inference.predictor import BundlePredictor  # noqa: E402
from ernie_toolkit.text.features import TextInput  # noqa: E402


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
    prefix = "model_int8" if args.precision_mode == "int8" else "model"
    settings = ["--model_prefix", prefix, "--cpu_num_threads", str(args.num_threads)]
    option = make_option(
        build_parser("serving_fastdeploy.py", None, bundle.info.task).parse_args(settings),
        bundle,
        bundle.info.max_seq_length,
    )
    predictor = BundlePredictor(bundle, open_runtime(option, bundle))
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
