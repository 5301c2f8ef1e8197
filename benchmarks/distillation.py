"""Several students in one run against a run for each, and distilled students against ones that learn labels alone.

python benchmarks/distillation.py --teacher best_models/tnews --dataset tnews --data_dir DATA --output_dir runs

Every run is distill.py as a user calls it, from the same first weights and with the same steps. Prints one table, and
writes distillation.json. Processor time is that of training, evaluations on dev included; start and export are not.
"""

import re
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from script_runs import run_script

from ernie_toolkit.compression.distillation.run import REPORT_NAME
from ernie_toolkit.compression.distillation.students import parse_students
from ernie_toolkit.compression.report.model import read_report
from ernie_toolkit.compression.report.table import markdown_table
from ernie_toolkit.console import OneLineParser, exit_on_toolkit_error, say
from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.files import write_json
from ernie_toolkit.inference.processor import processor_name

ROOT = Path(__file__).resolve().parents[1]
TIMES = re.compile(r"^task: (\d+) steps of \d+ student\(s\) in ([\d.]+) s, ([\d.]+) s of processor time$", re.MULTILINE)
LABELS_ALONE = (
    *("--soft_weight", "0", "--hidden_weight", "0"),
    *("--relation_weight", "0", "--label_weight", "1"),
)
ONLINE, SEPARATE, LABELS = "online", "separate", "labels"


@dataclass(frozen=True)
class Run:
    """A run of distill.py.

    Attributes:
        kind: `ONLINE`, `SEPARATE` or `LABELS`.
        seed: Its seed.
        metrics: The dev metric of each student, from 0 to 1, by its name.
        teacher: That of the teacher.
        metric: The metric's name.
        steps: Optimizer steps.
        seconds: Wall clock of training.
        processor_seconds: Processor time of training.
    """

    kind: str
    seed: int
    metrics: dict[str, float]
    teacher: float
    metric: str
    steps: int
    seconds: float
    processor_seconds: float


def distilled(kind: str, students: Sequence[str], seed: int, place: Path, options: Sequence[str]) -> Run:
    """Run distill.py, or read what it has left there before; ToolkitError where it says no times.

    `kind`: see `Run`. `students`: as distill.py takes them. `seed`: of the run. `place`: gets what the run writes.
    `options`: further ones.
    """
    log = place / "distill.log"
    if not (place / f"{REPORT_NAME}.json").is_file() or (place / "unfinished").exists():
        place.mkdir(parents=True, exist_ok=True)
        more = LABELS_ALONE if kind == LABELS else ()
        command = [sys.executable, str(ROOT / "distill.py"), "--students", *students, "--seed", str(seed)]
        command += ["--output_dir", str(place), "--disable_tqdm", "--overwrite_output_dir", *options, *more]
        say(f"{kind}, seed {seed}: {' '.join(students)} -> {place}")
        with log.open("w", encoding="utf-8") as stream:
            run_script(command, stream)
    report = read_report(place / f"{REPORT_NAME}.json")
    found = TIMES.search(log.read_text(encoding="utf-8"))
    if found is None:
        raise ToolkitError(f"{log}: no line that says how long the run took: delete {place} and run again")
    metrics = {item.name: item.metrics[report.metric] for item in report.candidates}
    return Run(
        kind,
        seed,
        metrics,
        report.baseline.metrics[report.metric],
        report.metric,
        int(found[1]),
        float(found[2]),
        float(found[3]),
    )


def all_runs(students: Sequence[str], seeds: Sequence[int], place: Path, options: Sequence[str]) -> list[Run]:
    """All students together, each alone, and all on labels alone, with each seed."""
    names = [request.name for request in parse_students(students)[0]]
    runs = []
    for seed in seeds:
        own = place / f"seed_{seed}"
        runs.append(distilled(ONLINE, students, seed, own / ONLINE, options))
        for student, name in zip(students, names, strict=True):
            runs.append(distilled(SEPARATE, [student], seed, own / name, options))
        runs.append(distilled(LABELS, students, seed, own / LABELS, options))
    return runs


def _spread(values: Sequence[float]) -> str:
    mean = f"{100 * statistics.mean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} ± {100 * statistics.stdev(values):.2f}"


def table(runs: Sequence[Run]) -> str:
    """A row for each student, then the processor time of all: means over seeds, with standard deviations."""
    names = list(next(run for run in runs if run.kind == ONLINE).metrics)

    def values(kind: str, name: str) -> list[float]:
        return [run.metrics[name] for run in runs if run.kind == kind and name in run.metrics]

    rows = []
    for name in names:
        online, separate, labels = (values(kind, name) for kind in (ONLINE, SEPARATE, LABELS))
        gain = [one - other for one, other in zip(online, labels, strict=True)]
        rows.append([name, _spread(online), _spread(separate), _spread(labels), _spread(gain)])
    seeds = len({run.seed for run in runs})
    times = [
        sum(run.processor_seconds for run in runs if run.kind == kind) / seeds for kind in (ONLINE, SEPARATE, LABELS)
    ]
    ratio = f"{times[1] / times[0]:.2f}x saved" if times[0] else "-"
    rows.append(["processor time, s", *(f"{value:.1f}" for value in times), ratio])
    header = ["student", "one online run", "a run for each", "labels alone", "distilled - labels"]
    return markdown_table(header, rows)


def build_parser() -> OneLineParser:
    """The benchmark's parser; what it does not know goes to distill.py."""
    parser = OneLineParser(prog="distillation.py", description=__doc__, epilog="other options: those of distill.py")
    parser.add_argument("--students", nargs="+", default=["mini", "micro", "nano"], help="as distill.py takes them")
    parser.add_argument("--seeds", nargs="+", type=int, default=[42], help="seeds of the runs")
    parser.add_argument("--output_dir", default="distillation_runs", help="gets the runs and distillation.json")
    return parser


def main(argv: Sequence[str]) -> None:
    """Run everything, print the table, write the JSON."""
    args, options = build_parser().parse_known_args(argv)
    place = Path(args.output_dir)
    with exit_on_toolkit_error("distillation.py"):
        runs = all_runs(args.students, args.seeds, place, options)
        first = runs[0]
        print(table(runs))
        print(
            f"\n{first.metric} on dev times 100, of {len(args.seeds)} seed(s); the teacher: {100 * first.teacher:.2f}. "
            f"{first.steps} steps each. {processor_name()}."
        )
        record = {"processor": processor_name(), "options": options, "runs": [asdict(run) for run in runs]}
        write_json(place / "distillation.json", record)
        say(f"{place / 'distillation.json'}: all runs")


if __name__ == "__main__":
    main(sys.argv[1:])
