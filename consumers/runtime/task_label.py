"""The `task` label of metrics.

Tasks come from other processes, which could invent any number of them, and each new label value is a
time series that is never removed. So the label is a task of the settings, or NO_TASK.
"""

from collections.abc import Container
from typing import Final

#: The label of every task that is not in the settings.
NO_TASK: Final = "none"


def task_label(task: str, known: Container[str]) -> str:
    """The label of `task`, where `known` are the tasks of the settings."""
    return task if task in known else NO_TASK
