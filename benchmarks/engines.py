"""What each engine takes and gives on one bundle: start, memory, single texts, a file of texts.

    python benchmarks/engines.py --model_path best_models/tnews/export --texts $DATA/dev.json

Every engine and precision that can be used here runs in processes of its own: one that finds no compiled model, and
one that starts for the second time. They take turns, so that a busy moment does not hit one of them alone.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ernie_toolkit.bundle import Bundle, read_bundle
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.inference.engines.base import ENGINES, PRECISIONS
from ernie_toolkit.inference.engines.selection import choose, engine_class

SINGLE_TEXTS = 100
REPEATS = 3


def candidates(bundle: Bundle) -> list[tuple[str, str]]:
    """Engines and precisions that can be used here."""
    found = []
    for engine in ENGINES:
        for precision in (name for name in PRECISIONS if name in engine_class(engine).precisions and name != "fp16"):
            try:
                choose(bundle, engine, precision)
            except ToolkitError as error:
                print(f"{engine} {precision} is left out: {error}")
                continue
            role = {"onnxruntime": "onnx_int8", "openvino": "openvino_int8"}.get(engine)
            if precision == "int8" and role not in bundle.info.files:
                print(f"{engine} int8 is left out: the bundle has no file for it")
                continue
            found.append((engine, precision))
    return found


def measure_here(model_path: str, texts: list[Any], engine: str, precision: str, threads: int, cache: str) -> None:
    """Open the bundle in this process and print what was measured as a line of JSON."""
    started = time.perf_counter()
    from ernie_toolkit.inference import Predictor

    predictor = Predictor(model_path, num_threads=threads, precision=precision, engine=engine, engine_cache=cache)
    predictor.predict(texts[:1])
    ready = time.perf_counter() - started
    singles = texts[:SINGLE_TEXTS]
    begun = time.perf_counter()
    for text in singles:
        predictor.predict([text])
    alone = (time.perf_counter() - begun) / len(singles)
    rates = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        predictor.predict(texts)
        rates.append(len(texts) / (time.perf_counter() - begun))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    found = {"ready_s": ready, "single_ms": 1000 * alone, "first_pass": rates[0], "texts_per_s": max(rates)}
    print(json.dumps({**found, "resident_mb": resident / 1000}))


def run(*arguments: Any) -> dict[str, float]:
    """`measure_here` in a process of its own."""
    code = "import json, sys; from engines import measure_here; measure_here(*json.load(sys.stdin))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(arguments),
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    if done.returncode:
        raise ToolkitError(f"{arguments[2]} {arguments[3]}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print."""
    parser = OneLineParser(prog="engines.py", description=__doc__)
    parser.add_argument("--model_path", required=True, help="bundle")
    parser.add_argument("--texts", type=Path, required=True, help="JSON lines with the fields of the bundle's texts")
    parser.add_argument("--max_texts", type=int, default=2048)
    parser.add_argument("--num_threads", type=int, default=2)
    parser.add_argument("--output", type=Path, help="write the results as JSON here")
    args = parser.parse_args()
    with exit_on_toolkit_error(parser.prog):
        from ernie_toolkit.data.inputs import read_input_rows, texts_to_predict

        bundle = read_bundle(args.model_path)
        texts = texts_to_predict(read_input_rows(args.texts, bundle.info.text_format))[: args.max_texts]
        report: dict[str, dict[str, float]] = {}
        with tempfile.TemporaryDirectory() as cache:
            for engine, precision in candidates(bundle):
                path = str(Path(args.model_path).absolute())
                cold = run(path, texts, engine, precision, args.num_threads, cache)
                warm = run(path, texts, engine, precision, args.num_threads, cache)
                report[f"{engine} {precision}"] = {"first_ready_s": cold["ready_s"], **warm}
        print(f"{len(texts)} texts, {args.num_threads} threads; ready: first answer, imports and checks included")
        heads = ("first start, s", "next start, s", "one text, ms", "texts/s", "first pass", "memory, MB")
        print(f"{'':<26}" + "".join(f"{head:>16}" for head in heads))
        keys = ("first_ready_s", "ready_s", "single_ms", "texts_per_s", "first_pass", "resident_mb")
        for name, found in report.items():
            print(f"{name:<26}" + "".join(f"{found[key]:>16.2f}" for key in keys))
        if args.output:
            args.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
