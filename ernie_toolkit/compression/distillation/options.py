"""What to distil with: students, stages, the parts of the loss."""

from dataclasses import dataclass, fields

from ernie_toolkit.arguments.options import check_option_ranges, option
from ernie_toolkit.errors import ConfigError
from ernie_toolkit.files.paths import path_text
from ernie_toolkit.formats.ranges import COUNT, COUNT_OR_NONE, THREADS_OR_ALL, Range

GENERAL, TASK = "general", "task"
STAGES = (GENERAL, TASK)
RELATIONS = ("query", "key", "value")
WEIGHT = Range(0, 10**6)


@dataclass(frozen=True)
class DistillationOptions:
    """How one teacher trains several students in one run."""

    students: tuple[str, ...] = option(
        ("mini", "micro", "nano"),
        "the students: base, medium, mini, micro, nano; layers=4,hidden=312,heads=12,intermediate=1248; a slice of the "
        "teacher (width=3/4,depth=2/3); a model directory or a published name",
        parse=path_text,
    )
    assistant: str = option(
        "",
        "a further student, in the same words, that learns from the teacher and teaches the students",
        parse=path_text,
    )
    stage: tuple[str, ...] = option(
        (TASK,),
        "general: unlabeled texts, hidden states and relations only; task: labelled rows; both: one after the other",
        STAGES,
    )
    unlabeled_file: str = option(
        "", "texts without labels, one a line, a tab between the texts of a pair", parse=path_text
    )
    temperature: float = option(
        1.0, "softens the teacher's and the students' answers", allowed=Range(0, 1000, above=True)
    )
    soft_weight: float = option(1.0, "weight of the teacher's soft answers in the loss", allowed=WEIGHT)
    hidden_weight: float = option(1.0, "weight of the hidden states' mean squared error", allowed=WEIGHT)
    relation_weight: float = option(1.0, "weight of the relations between tokens (MiniLMv2)", allowed=WEIGHT)
    label_weight: float = option(0.5, "weight of the rows' own labels in steps with the teacher", allowed=WEIGHT)
    relations: tuple[str, ...] = option(RELATIONS, "between what tokens are related: query, key, value", RELATIONS)
    relation_heads: int = option(
        0,
        "heads that relations are computed in; 0: as many of the teacher's as divide both widths",
        allowed=COUNT_OR_NONE,
    )
    relation_layer: int = option(
        0,
        "layer of the teacher, from 1, whose relations a student's last layer learns; 0: its last",
        allowed=Range(0, 1000),
    )
    every: int = option(
        1, "the teacher's signal comes in each N-th step, the labels alone in those between", allowed=COUNT
    )
    cache_logits: bool = option(
        True, "keep the teacher's logits on disk where nothing else of it is used and rows are drawn more than once"
    )
    general_epochs: float = option(1.0, "general: passes over the texts", allowed=Range(0, 10**6, above=True))
    general_max_steps: int = option(0, "general: optimizer steps; 0: by general_epochs", allowed=COUNT_OR_NONE)
    general_learning_rate: float = option(1e-4, "general: AdamW learning rate", allowed=Range(0, 10, above=True))
    num_threads: int = option(0, "threads to measure speed with; 0: all processors", allowed=THREADS_OR_ALL)

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages asked for, in the order in which they run."""
        return tuple(name for name in STAGES if name in self.stage)

    @property
    def needs_hidden(self) -> bool:
        """Whether students learn hidden states."""
        return self.hidden_weight > 0

    @property
    def needs_relations(self) -> bool:
        """Whether students learn relations."""
        return self.relation_weight > 0

    @property
    def needs_teacher(self) -> bool:
        """Whether students learn anything of the teacher in the task's stage, and not labels alone."""
        return self.soft_weight > 0 or self.needs_hidden or self.needs_relations

    @property
    def only_logits(self) -> bool:
        """Whether nothing but the teacher's logits is used."""
        return not self.needs_hidden and not self.needs_relations


def check_distillation_options(options: DistillationOptions) -> None:
    """Check the settings of a run, each by itself and with the others.

    Args:
        options: How to distil.

    Raises:
        ConfigError: On the first setting that is invalid, or does not go with the others.
    """
    for item in fields(options):
        value, choices = getattr(options, item.name), item.metadata["choices"]
        for one in value if isinstance(value, tuple) else ():
            if choices and one not in choices:
                raise ConfigError(f"`{item.name}` '{one}' is not known: use one of {', '.join(choices)}")
    check_option_ranges(options)
    for name in ("students", "stage", "relations"):
        values = getattr(options, name)
        if not values or len(set(values)) != len(values):
            raise ConfigError(f"`{name}`: give one at least, and each of them once")
    if GENERAL in options.stages and not options.unlabeled_file:
        raise ConfigError("`stage` general learns from texts without labels: give `unlabeled_file`")
    if GENERAL in options.stages and options.only_logits:
        raise ConfigError("`stage` general learns hidden states and relations: give one of their weights over 0")
    if TASK in options.stages and not options.needs_teacher and not options.label_weight:
        raise ConfigError(
            "`soft_weight`, `hidden_weight`, `relation_weight` and `label_weight` are all 0: nothing is learned"
        )
    if options.every > 1 and TASK not in options.stages:
        raise ConfigError("`every` puts labels between the teacher's steps, which `stage` general does not have")
