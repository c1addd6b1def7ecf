"""Turns pydantic's validation errors into one line each: the key, what is wrong, and how to fix it.

No line repeats a value of the file: a value that stands in the wrong place may be a key or a password.
"""

import json
import re
import types
from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any, Final, Literal, NamedTuple, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

#: Keys from the outside in; a number is the index of a list entry.
Location: TypeAlias = tuple[str | int, ...]

#: The type of a pydantic error whose message already holds its fix.
_COMPLETE: Final = "complete_message"

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_PROBLEMS: Final = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "literal_error": "unknown value",
    **dict.fromkeys(("greater_than", "greater_than_equal", "less_than", "less_than_equal"), "is out of range"),
}
_BOUNDS: Final = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below"}

#: What a value must be, by the type of its setting.
_EXPECTED: Final[Mapping[Any, str]] = {
    bool: "true or false",
    float: "a number",
    int: "an integer",
    str: "a string in quotes",
    tuple: 'a list of strings, such as ["one", "two"]',
}

#: What the file holds instead, by the types that TOML has. The order counts, because a bool is an int too.
_FOUND: Final = (
    (str, "a string"),
    (bool, "true or false"),
    (int | float, "a number"),
    (list, "a list"),
    (dict, "a table"),
    (date | time, "a date or time"),
)


class Problem(NamedTuple):
    """A key as `shadow.toml` writes it, and a message: what is wrong, a semicolon, and the fix."""

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}"


def problems_of(error: ValidationError, table: type[BaseModel]) -> list[Problem]:
    """Every problem that validating `table` found."""
    return [_problem(details, table) for details in error.errors(include_url=False)]


def merged_error(error: ValidationError | None, more: Iterable[tuple[Location, str]], title: str) -> ValidationError:
    """One error with the problems of `error` and `more`, given by location and complete message."""
    found = error.errors(include_url=False) if error else []
    parts = ("type", "loc", "input", "ctx")
    lines = [InitErrorDetails(**{part: details[part] for part in parts if part in details}) for details in found]  # type: ignore[literal-required, typeddict-item]
    for location, message in more:
        # Passed as a parameter, because a message that is a template itself must not hold the braces of a name.
        kind = PydanticCustomError(_COMPLETE, "{message}", {"message": message})
        lines.append(InitErrorDetails(type=kind, loc=location, input=None))
    return ValidationError.from_exception_data(title, lines, hide_input=True)


def dotted_key(*parts: str) -> str:
    """A key as `shadow.toml` writes it; always on one line, whatever characters it holds."""
    return ".".join(part if _BARE_KEY.fullmatch(part) else _quoted(part) for part in parts)


def suggestion(word: str, known: Iterable[str], *, otherwise: str = "write one of") -> str:
    """The fix for an unknown `word`: the most similar of the `known` words, else all of them."""
    from difflib import get_close_matches  # noqa: PLC0415 - loaded only when there is a problem to report

    names = sorted(known)
    every = ", ".join(map(dotted_key, names))
    close = get_close_matches(word, names, n=1)
    return f"did you mean {dotted_key(close[0])}? (known: {every})" if close else f"{otherwise}: {every}"


def _problem(details: ErrorDetails, table: type[BaseModel]) -> Problem:
    key = dotted_key(*(part for part in details["loc"] if isinstance(part, str)))
    if details["type"] in ("value_error", _COMPLETE):
        message = details["msg"].removeprefix("Value error, ")
    else:
        message = f"{_what_is_wrong(details)}; {_fix(details, table, key)}"
    entry = next((f"entry {part + 1} " for part in details["loc"] if isinstance(part, int)), "")
    return Problem(key, entry + message)


def _what_is_wrong(details: ErrorDetails) -> str:
    if (known := _PROBLEMS.get(details["type"])) is not None:
        return known
    return next((f"is {name}" for kind, name in _FOUND if isinstance(details["input"], kind)), "has the wrong type")


def _fix(details: ErrorDetails, table: type[BaseModel], key: str) -> str:
    if details["type"] == "extra_forbidden":
        around, _ = _type_at(table, details["loc"][:-1])
        return suggestion(str(details["loc"][-1]), around.model_fields)
    kind, field = _type_at(table, details["loc"])
    if get_origin(kind) is Literal:
        return suggestion(str(details["input"]), get_args(kind), otherwise="must be one of")
    if _is_table(kind) or get_origin(kind) is dict:
        holds_tables = get_origin(kind) is dict and _is_table(get_args(kind)[1])
        return f"must be a table, [{key}{'.NAME' if holds_tables else ''}]"
    expected = f"{_EXPECTED[get_origin(kind) or kind]}{_range(field)}"
    if details["type"] != "missing":
        return f"must be {expected}"
    about = f": {field.description}" if field and field.description else ""
    return f"write {expected}{about.rstrip('.')}"


def _type_at(table: Any, location: Location) -> tuple[Any, FieldInfo | None]:
    """The type of the value at `location` in `table`, and its field if it is a setting of its own."""
    kind, field = table, None
    for part in location:
        if _is_table(kind):
            field = kind.model_fields[part]
            kind = _without_none(field.annotation)
        else:
            kind, field = get_args(kind)[1 if get_origin(kind) is dict else 0], None
    return kind, field


def _range(field: FieldInfo | None) -> str:
    rules = field.metadata if field else []
    found = {name: getattr(rule, name) for rule in rules for name in _BOUNDS if hasattr(rule, name)}
    if {"ge", "le"} <= set(found):
        return f" from {found['ge']} to {found['le']}"
    limits = " and ".join(f"{_BOUNDS[name]} {value}" for name, value in found.items())
    return f" {limits}" if limits else ""


def _quoted(part: str) -> str:
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in json.dumps(part, ensure_ascii=False))


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation
