"""ERNIE 1.0, 2.0 and 3.0."""

from ernie_toolkit.models.families.base import EncoderFamily

ERNIE = EncoderFamily("ernie", "ERNIE", stem="Ernie", prefix="ernie", new_settings={"use_task_id": False})
