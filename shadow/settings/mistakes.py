"""What is wrong with a table of `shadow.toml`: a key, what is the matter with it, and its mend, in a sentence each.

No sentence repeats a value of the file: one that stands in the wrong place may be a key or a password.
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

#: Keys from the outside in; a number is an entry of a list.
Place: TypeAlias = tuple[str | int, ...]

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_WRONG: Final = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "literal_error": "is none of its choices",
    **dict.fromkeys(("greater_than", "greater_than_equal", "less_than", "less_than_equal"), "is out of range"),
}
_BOUNDS: Final = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below"}

#: What to write, by the type that a setting has.
_WANTED: Final[Mapping[Any, str]] = {
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    str: "a text in quotes",
    tuple: 'a list of texts, such as ["one", "two"]',
}

#: What stands there, by the types that TOML has. The order counts, for a bool is an int too.
_FOUND: Final = (
    (str, "a text"),
    (bool, "true or false"),
    (int | float, "a number"),
    (list, "a list"),
    (dict, "a table"),
    (date | time, "a date or time"),
)


class Mistake(NamedTuple):
    """Where the mistake is, as `shadow.toml` writes it, and what is wrong; its mend follows the semicolon."""

    key: str
    what: str

    def __str__(self) -> str:
        return f"{self.key}: {self.what}"


def told(fault: ValidationError, table: type[BaseModel]) -> list[Mistake]:
    """Every mistake that `table` found in what it was given."""
    return [_mistake(error, table) for error in fault.errors(include_url=False)]


def joined(fault: ValidationError | None, more: Iterable[tuple[Place, str]], table: str) -> ValidationError:
    """The mistakes of `fault`, and `more` of them, by place, in one."""
    found = fault.errors(include_url=False) if fault else []
    parts = ("type", "loc", "input", "ctx")
    lines = [InitErrorDetails(**{part: error[part] for part in parts if part in error}) for error in found]  # type: ignore[literal-required, typeddict-item]
    for place, what in more:
        # The sentence is no template of its own: a name in it may hold braces.
        lines.append(
            InitErrorDetails(type=PydanticCustomError("told", "{what}", {"what": what}), loc=place, input=None)
        )
    return ValidationError.from_exception_data(table, lines, hide_input=True)


def dotted(*parts: str) -> str:
    """A key as `shadow.toml` writes it: on one line, whatever is in it."""
    return ".".join(part if _BARE.fullmatch(part) else _quoted(part) for part in parts)


def nearest(word: str, known: Iterable[str]) -> str:
    """What to write instead of `word`: the one that looks most like it, else any of them."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake pays for it

    names = sorted(known)
    every = ", ".join(map(dotted, names))
    close = get_close_matches(word, names, n=1)
    return f"did you mean {dotted(close[0])}? (known: {every})" if close else f"write one of: {every}"


def _mistake(error: ErrorDetails, table: type[BaseModel]) -> Mistake:
    key = dotted(*(part for part in error["loc"] if isinstance(part, str)))
    if error["type"] in ("value_error", "told"):
        what = error["msg"].removeprefix("Value error, ")  # it says its mend itself
    else:
        what = f"{_wrong(error)}; {_mend(error, table, key)}"
    entry = next((f"entry {part + 1} " for part in error["loc"] if isinstance(part, int)), "")
    return Mistake(key, entry + what)


def _wrong(error: ErrorDetails) -> str:
    if (known := _WRONG.get(error["type"])) is not None:
        return known
    return next((f"is {name}" for kind, name in _FOUND if isinstance(error["input"], kind)), "is something else")


def _mend(error: ErrorDetails, table: type[BaseModel], key: str) -> str:
    if error["type"] == "extra_forbidden":
        around, _ = _at(table, error["loc"][:-1])
        return nearest(str(error["loc"][-1]), around.model_fields)
    kind, field = _at(table, error["loc"])
    if get_origin(kind) is Literal:
        return nearest(str(error["input"]), get_args(kind))
    if _is_table(kind) or get_origin(kind) is dict:
        holds_tables = get_origin(kind) is dict and _is_table(get_args(kind)[1])
        return f"write a table, [{key}{'.NAME' if holds_tables else ''}]"
    about = f": {field.description}" if error["type"] == "missing" and field and field.description else ""
    return f"write {_WANTED[get_origin(kind) or kind]}{_range(field)}{about.rstrip('.')}"


def _at(table: Any, place: Place) -> tuple[Any, FieldInfo | None]:
    """The type of what stands at `place` in `table`, and its field where it is a setting itself."""
    kind, field = table, None
    for part in place:
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
