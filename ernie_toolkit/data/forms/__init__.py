"""The forms of data files, by the names that tasks give in `Task.data_form`.

A task whose files look as those of another names that one's form; else a new form is a module here and a line below.
"""

from __future__ import annotations

from ernie_toolkit.data.forms.base import DataForm, PredictedRow
from ernie_toolkit.data.forms.choices import ChoicesForm
from ernie_toolkit.data.forms.columns import ColumnsForm
from ernie_toolkit.data.forms.label_sets import LabelSetsForm
from ernie_toolkit.data.forms.questions import QuestionsForm
from ernie_toolkit.data.forms.tags import TagsForm
from ernie_toolkit.errors import ConfigError

__all__ = ["FORMS", "ChoicesForm", "ColumnsForm", "DataForm", "PredictedRow", "form_of", "register_form"]

FORMS: dict[str, DataForm] = {
    "columns": ColumnsForm(),
    "tags": TagsForm(),
    "questions": QuestionsForm(),
    "label_sets": LabelSetsForm(),
    "choices": ChoicesForm(),
}


def register_form(name: str, form: DataForm) -> None:
    """Make a form known by the name that tasks give.

    Args:
        name: As in `Task.data_form`.
        form: Reads the files.

    Raises:
        ConfigError: Where the name is taken.
    """
    if FORMS.setdefault(name, form) is not form:
        raise ConfigError(f"data form '{name}' is registered already: choose another name")


def form_of(task_name: str) -> DataForm:
    """The form of a task's files.

    Raises:
        ConfigError: Where no task has this name.
    """
    from ernie_toolkit.tasks import task_named  # tasks need numpy, reading data does not

    return FORMS[task_named(task_name).data_form]
