"""What metrics call a task.

Tasks come from other people's processes, which could make up any number of them, and each new value
of a label is a series for good. So a label is a task of the settings or NO_TASK.
"""

from collections.abc import Container
from typing import Final

#: Of all that belongs to no task of the settings.
NO_TASK: Final = "none"


def task_label(task: str, known: Container[str]) -> str:
    """The label of `task`, where the tasks of the settings are `known`."""
    return task if task in known else NO_TASK
