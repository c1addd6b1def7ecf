"""The scorers by name, and which one a task uses.

A scorer answers one question: do these two replies say the same, for this task? Regret is
not its business, see `scoring.compare`.
"""

from collections.abc import Mapping
from typing import Any, Final

from scoring.scorers import exact, json_fields, label, numeric, text, tool_calls
from scoring.scorers.scorer import Scorer, Unreadable
from shadow.records import TaskKind
from shadow.settings import TaskSettings

__all__ = ["DEFAULTS", "SCORERS", "Scorer", "Unreadable", "mistakes", "name_for"]

SCORERS: Final[Mapping[str, Scorer]] = {
    "exact": exact.SCORER,
    "json": json_fields.SCORER,
    "label": label.SCORER,
    "numeric": numeric.SCORER,
    "text": text.SCORER,
    "tool_calls": tool_calls.SCORER,
}

#: The scorer of each kind of task.
DEFAULTS: Final[Mapping[TaskKind, str]] = {
    "classification": "label",
    "extraction": "json",
    "generation": "text",
    "reasoning": "numeric",
}


def name_for(task: TaskSettings | None) -> str:
    """The task's own scorer, else its kind's; `text` for a task nobody has configured."""
    if task is None:
        return "text"
    return task.scorer or DEFAULTS[task.kind]


def mistakes(name: str, options: Mapping[str, Any]) -> list[str]:
    """What is wrong with a scorer's name and options, one line each; empty if nothing is."""
    scorer = SCORERS.get(name)
    if scorer is None:
        return [f"{name!r} is not a scorer; there are: {', '.join(sorted(SCORERS))}"]
    wrong = []
    for key, value in options.items():
        kind = scorer.options.get(key)
        if kind is None:
            wrong.append(f"scorer {name!r} has no option {key!r}; it has: {', '.join(scorer.options) or 'none'}")
        elif not _is(value, kind):
            wrong.append(f"option {key!r} of scorer {name!r} must be {_KINDS[kind]}")
    return wrong


_KINDS: Final[Mapping[type, str]] = {
    bool: "true or false",
    dict: "a table",
    float: "a number that is not negative",
    list: "a list of texts",
    str: "a text",
}


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    if kind is list:
        return isinstance(value, list | tuple) and set(map(type, value)) <= {str}
    return isinstance(value, kind)
