"""A short training run on the sample."""

from pathlib import Path
from typing import Any

from ernie_toolkit.session import Session
from ernie_toolkit.training.options import TrainingOptions

OPTIONS = TrainingOptions(
    learning_rate=5e-3,
    max_steps=12,
    per_device_train_batch_size=16,
    save_steps=4,
    max_seq_length=48,
    disable_tqdm=True,
    report_to="none",
    logging_steps=2,
)


def run(session: Session, run_dir: Path, options: TrainingOptions = OPTIONS, **more: Any) -> Any:
    """Train on the sample."""
    return session.train(options, run_dir, **more)
