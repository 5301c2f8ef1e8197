"""The main job in one go, on the embedded sample: fine-tune, evaluate, export, predict with ONNX Runtime.

make demo        (or: python scripts/demo.py [--output_dir demo_output])
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error
from ernie_toolkit.data import load_dataset
from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.inference import Predictor

ROOT = Path(__file__).resolve().parents[1]
DATASET = "afqmc"


def fine_tune(output_dir: Path) -> None:
    """Run run_seq_cls.py as a user would, on the sample."""
    command = [
        sys.executable,
        str(ROOT / "run_seq_cls.py"),
        "--dataset",
        DATASET,
        "--data_source",
        "sample",
        "--output_dir",
        str(output_dir),
        "--export_model_dir",
        str(output_dir),
        "--config",
        str(ROOT / "configs" / "default.yml"),
        "--device",
        "cpu",
        "--overwrite_output_dir",
    ]
    print("$ " + " ".join(command[1:]), flush=True)
    if subprocess.run(command, check=False).returncode:
        raise ToolkitError("the fine-tuning run failed: its own message is above")


def main() -> None:
    """Fine-tune, then compare Paddle with ONNX Runtime on the dev set and print the table."""
    parser = OneLineParser(prog="demo.py", description=__doc__)
    parser.add_argument("--output_dir", type=Path, default=Path("demo_output"))
    args = parser.parse_args()
    with exit_on_toolkit_error(parser.prog):
        started = time.perf_counter()
        fine_tune(args.output_dir)
        compare(args.output_dir / DATASET, started)


def compare(directory: Path, started: float) -> None:
    """Print dev accuracy and speed of the trained model in Paddle and in ONNX Runtime."""
    import numpy as np

    from ernie_toolkit.training.acceleration import apply_cpu_settings, import_paddle

    apply_cpu_settings()  # before Paddle is imported
    import_paddle()
    from ernie_toolkit.models import load_model
    from ernie_toolkit.session import Session
    from ernie_toolkit.training import predict_logits

    data = load_dataset(DATASET, data_source="sample", splits=("dev",))
    examples = data.split("dev")
    gold = np.array([data.spec.label_ids[example["label"]] for example in examples])

    predictor = Predictor(directory / "export")
    texts = predictor.task.inputs(examples)
    session = Session(load_model(str(directory)), data, predictor.task)
    answers, rates = {}, {}
    for name, run in (
        ("Paddle", lambda: predict_logits(session.loaded.model, session.encoded(examples), 32)),
        ("ONNX Runtime", lambda: predictor.logits(texts, 32)),
    ):
        run()  # the first pass allocates
        begun = time.perf_counter()
        answers[name] = np.asarray(run()).argmax(axis=1)
        rates[name] = len(texts) / (time.perf_counter() - begun)
    equal = float((answers["Paddle"] == answers["ONNX Runtime"]).mean())
    metrics = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    print(f"\n{'':14}{'dev accuracy':>14}{'sequences/s':>14}")
    for name, answer in answers.items():
        print(f"{name:14}{(answer == gold).mean():>14.4f}{rates[name]:>14.0f}")
    print(
        f"\nequal answers  {equal:.2%} of {len(texts)} dev rows (the majority label alone: "
        f"{max((gold == label).mean() for label in set(gold.tolist())):.4f})"
    )
    print(
        f"trained        {metrics['training']['steps']} steps in {metrics['training']['seconds']:.0f} s; "
        f"the demo took {time.perf_counter() - started:.0f} s"
    )
    print(f"model          {directory}")
    print(f"bundle         {directory / 'export'}")
    print(f"curve          {directory / 'training_curve.png'}")
    print(f"try            python deploy/predictor/infer_cpu.py --model_path {directory / 'export'}")
    print("The data is the toolkit's generated sample: these metrics say nothing about the real AFQMC.")


if __name__ == "__main__":
    main()
