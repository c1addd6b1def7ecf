"""The scorers by name, and which one a task uses.

A scorer answers one question: do these two replies mean the same for this task? It does not
compute regret, see `scoring.compare`.

scorer        what a scorer is: read an answer, compare two answers
exact         the same text
label         one class out of a few
named_labels  where a text names a label, and whether it negates it
numeric       the last number (time, date, range, tuple) in the text
numbers/      the notations of numbers that `numeric` reads
text          shared wording (ROUGE-L F1)
meaning/      the same in other words (embeddings, and checks of what they do not see)
json_fields   JSON documents, field by field
json_schema   whether a document fits its schema
json_text     finds the JSON in a model's text
tool_calls    the same tools with the same arguments
"""

from collections.abc import Mapping
from typing import Any, Final

from scoring.scorers import exact, json_fields, label, meaning, numeric, text, tool_calls
from scoring.scorers.scorer import Scorer, Uncomparable, Unreadable
from shadow.errors import ConfigError
from shadow.records import TaskKind
from shadow.settings import TaskSettings

__all__ = ["DEFAULTS", "SCORERS", "Scorer", "Uncomparable", "Unreadable", "name_for", "require", "scorer_problems"]

SCORERS: Final[Mapping[str, Scorer]] = {
    "exact": exact.SCORER,
    "json": json_fields.SCORER,
    "label": label.SCORER,
    "meaning": meaning.SCORER,
    "numeric": numeric.SCORER,
    "text": text.SCORER,
    "tool_calls": tool_calls.SCORER,
}

#: The default scorer of each kind of task.
DEFAULTS: Final[Mapping[TaskKind, str]] = {
    "classification": "label",
    "extraction": "json",
    "generation": "text",
    "reasoning": "numeric",
}


def name_for(task: TaskSettings | None) -> str:
    """Name of the task's own scorer, else of its kind's default; `text` for a task without configuration."""
    if task is None:
        return "text"
    return task.scorer or DEFAULTS[task.kind]


def scorer_problems(name: str, options: Mapping[str, Any]) -> list[str]:
    """The problems with a scorer's name and options, and with running it here, one line each with its fix."""
    return _option_problems(name, options) or SCORERS[name].problems(options)


def require(tasks: Mapping[str, TaskSettings], *, override: str | None = None) -> None:
    """Raises ConfigError if the scorer of one of `tasks` cannot run here, because it is not installed, say.

    `override` is the scorer to use instead of theirs. Options that are wrong are no reason: the pairs of such a task
    are unscored, with the reason `scorer_misconfigured`.
    """
    used = [(f"tasks.{task}.scorer", override or name_for(spec), spec.scorer_options) for task, spec in tasks.items()]
    if override is not None and not used:
        used = [("--scorer", override, {})]
    for key, name, options in used:
        if override is None:
            known = options
        else:  # the task's options are those of its own scorer
            known = {option: value for option, value in options.items() if option in SCORERS[name].options}
        if not _option_problems(name, known) and (problems := SCORERS[name].problems(known)):
            raise ConfigError("\n".join(f"{key}: {problem}" for problem in problems))


def _option_problems(name: str, options: Mapping[str, Any]) -> list[str]:
    scorer = SCORERS.get(name)
    if scorer is None:
        return [f"unknown scorer {name!r}; must be one of: {', '.join(sorted(SCORERS))}"]
    problems = []
    for key, value in options.items():
        kind = scorer.options.get(key)
        if kind is None:
            known = ", ".join(scorer.options) or "none"
            problems.append(f"unknown option {key!r} of scorer {name!r}; its options: {known}")
        elif not _has_type(value, kind):
            problems.append(f"option {key!r} of scorer {name!r} must be {_EXPECTED[kind]}")
    return problems


_EXPECTED: Final[Mapping[type, str]] = {
    bool: "true or false",
    dict: "a table",
    float: "a number of at least 0",
    list: "a list of strings",
    str: "a string",
}


def _has_type(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    if kind is list:
        return isinstance(value, list | tuple) and set(map(type, value)) <= {str}
    return isinstance(value, kind)
