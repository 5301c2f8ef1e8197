"""The main job in one go, on the embedded sample: fine-tune, export, prune and quantize, compare, predict.

make demo        (or: python scripts/demo.py [--output_dir demo_output])
"""

import subprocess
import sys
import time
from pathlib import Path

from ernie_toolkit.compression.report.metrics import best_tradeoffs, megabytes_text
from ernie_toolkit.compression.report.model import REPORT_FILE, Report, read_report
from ernie_toolkit.compression.report.recommendation import recommendation_line
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, print_line
from ernie_toolkit.decoding import LabelAnswer
from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.inference import Predictor

ROOT = Path(__file__).resolve().parents[1]
DATASET = "afqmc"
# Pairs that are no rows of the sample, and whether they mean the same.
PAIRS = (
    ("怎么还款", "如何还款", "1"),
    ("在哪里重设校园卡密码", "校园卡密码忘了。", "1"),
    ("怎么查信用卡余额", "我想把信用卡退掉", "0"),
)
PRUNED = "width_mult_0.75"


def run(script: str, *options: str) -> None:
    """Run one of the project's scripts as a user would.

    Args:
        script: Its name.
        *options: Its arguments.

    Raises:
        ToolkitError: Where it fails.
    """
    command = [script, "--dataset", DATASET, "--data_source", "sample", "--device", "cpu", *options]
    print("$ python " + " ".join(command), flush=True)
    if subprocess.run([sys.executable, str(ROOT / script), *command[1:]], check=False).returncode:
        raise ToolkitError(f"{script} failed: its own message is above")
    print(flush=True)


def fine_tune(output_dir: Path) -> None:
    """Fine-tune and export."""
    config = str(ROOT / "configs" / "default.yml")
    places = ("--output_dir", str(output_dir), "--export_model_dir", str(output_dir))
    run("run_seq_cls.py", *places, "--config", config, "--overwrite_output_dir")


def compress(directory: Path) -> None:
    """Keep three quarters of the width, train that again, and make INT8 models for each engine that is installed."""
    few = ("--num_train_epochs", "3", "--algo_list", "mse", "--batch_size_list", "8")
    model = ("--model_name_or_path", str(directory), "--output_dir", str(directory))
    run("compress_seq_cls.py", *model, *few, "--width_mult_list", "3/4", "--overwrite_output_dir")


def print_models(report: Report) -> None:
    """Print a line for each model that is deployed: dev metric, size, speed."""
    front = {item.name for item in best_tradeoffs(report)}
    kept = [report.baseline, *(item for item in report.candidates if item.kept)]
    width = max(len(item.name) for item in kept)
    print(f"{'':{width}}    dev accuracy      MB   sequences/s   ratio")
    for item in kept:
        rate, base = item.sequences_per_second or 0.0, report.baseline.sequences_per_second or 1.0
        print(
            f"{item.name:{width}}  {'*' if item.name in front else ' '}{item.metrics[report.metric]:>13.4f}"
            f"{megabytes_text(report, item.size):>8}{rate:>14,.0f}{rate / base:>7.2f}x"
        )
    print(f"*: best trade-off of accuracy and latency. Recommended: {recommendation_line(report)}")


def print_answers(bundle: Path) -> None:
    """Answer a few pairs with what the bundle recommends, and print what is right beside it."""
    predictor = Predictor(bundle)
    print()
    print_line(f"{bundle}, {predictor.choice}")
    for (first, second, gold), answer in zip(PAIRS, predictor.predict([pair[:2] for pair in PAIRS]), strict=True):
        assert isinstance(answer, LabelAnswer)
        mark = "right" if answer.label == gold else "WRONG"
        print_line(f"  {first} | {second}: {answer.name} {answer.confidence:.2f} ({mark})")


def main() -> None:
    """Make the whole journey, then print its table."""
    parser = OneLineParser(prog="demo.py", description=__doc__)
    parser.add_argument("--output_dir", type=Path, default=Path("demo_output"))
    args = parser.parse_args()
    with exit_on_toolkit_error(parser.prog):
        started = time.perf_counter()
        directory = args.output_dir / DATASET
        fine_tune(args.output_dir)
        compress(directory)
        print_models(read_report(directory / REPORT_FILE))
        print_answers(directory / PRUNED / "export")
        print()
        print_line(f"model    {directory}, smaller {directory / PRUNED}")
        print_line(f"report   {directory / 'compress_report.md'} (.png)")
        print_line(f"try      python deploy/predictor/infer_cpu.py --model_path {directory / PRUNED / 'export'}")
        print(f"The demo took {time.perf_counter() - started:.0f} s.")
        print("The data is the toolkit's generated sample: these metrics say nothing about the real AFQMC.")


if __name__ == "__main__":
    main()
