"""Whether a document fits the JSON schema that its model was asked to keep to.

The schema is the application's and the document the model's, and what the two take together is
bounded here, for the scorer has a topic to keep up with:

- `pattern` and `patternProperties` are not applied. Python tries a regular expression with the
  interpreter to itself, and one that is harmless on good input may take hours on bad. Where
  there are `patternProperties`, `additionalProperties` cannot be told and is not applied either.
- `unevaluatedProperties` and `unevaluatedItems` are not applied: their cost is the square of the
  document.
- Only so many references are followed in a document. A recursive schema with alternatives
  multiplies the work with every level of the document.
- Nothing is ever fetched: a `$ref` to another place cannot be resolved.

A schema that cannot be applied says nothing of the reply. That is no pass: the fields are
compared all the same.
"""

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from scoring.scorers.scorer import Request, Unreadable

#: Takes (validator, the keyword's value, document, schema); gives the faults.
_Keyword: TypeAlias = Callable[[Any, Any, Any, Any], Any]

#: A list of 10,000 objects is longer than any reply; following so many takes a fraction of a second.
_MOST_REFERENCES: Final = 10_000

_NOT_APPLIED: Final = ("pattern", "patternProperties", "unevaluatedProperties", "unevaluatedItems")
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


def schema_of(request: Request) -> Mapping[str, Any] | None:
    """The JSON schema the request asked the model to keep to, if any."""
    match request:
        case {"response_format": {"json_schema": {"schema": dict() as schema}}}:
            return schema
        case {"text": {"format": {"schema": dict() as schema}}}:
            return schema
        case _:
            return None


def validate(document: Any, schema: Mapping[str, Any]) -> None:
    """Raises Unreadable, naming the place, if the document does not fit the schema."""
    _left.set(iter(range(_MOST_REFERENCES)))
    try:
        validator = _validator(msgspec.json.encode(schema))
        fault = next(iter(validator.iter_errors(document)), None) if validator else None
    except Exception:  # noqa: BLE001 - a strange schema trips the library in many ways; none is the reply's fault
        return
    if fault is not None:
        raise Unreadable(f"does not fit the schema at {fault.json_path}: {fault.message}"[:300])


class _TooManyReferencesError(Exception):
    """More references than any reply needs."""


#: What is left of the references that may be followed in the document at hand.
_left: Final[ContextVar[Iterator[int]]] = ContextVar("left")


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Any:
    """A validator, or None where the schema itself is wrong."""
    # Imported here because the two take as long to import as all the scorers together.
    import jsonschema  # noqa: PLC0415
    import referencing  # noqa: PLC0415

    parsed = msgspec.json.decode(schema)
    kind: Any = jsonschema.validators.validator_for(parsed, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(parsed, format_checker=None)
    except jsonschema.SchemaError:
        return None
    # An empty registry: with the default one a `$ref` in a request would be fetched from the network.
    return _bounded(kind)(_of_one_kind(parsed), registry=referencing.Registry())


@lru_cache(maxsize=16)
def _bounded(kind: Any) -> Any:
    """The kind of validator, with every keyword's work bounded as this file promises."""
    import jsonschema  # noqa: PLC0415 - see `_validator`

    known: Mapping[str, _Keyword] = kind.VALIDATORS
    changed: dict[str, _Keyword] = {name: _nothing for name in _NOT_APPLIED if name in known}
    changed |= {name: _counted(known[name]) for name in _REFERENCES if name in known}
    changed |= {"additionalProperties": _unless_patterned(known["additionalProperties"]), "uniqueItems": _unique}
    return jsonschema.validators.extend(kind, changed)  # type: ignore[no-untyped-call]


def _of_one_kind(schema: Any) -> Any:
    """The schema without `$schema`: on meeting one the library would go on with its own keywords."""
    match schema:
        case dict():
            return {
                name: _of_one_kind(part)
                for name, part in schema.items()
                if name != "$schema" or not isinstance(part, str)
            }
        case list():
            return [_of_one_kind(part) for part in schema]
        case _:
            return schema


def _nothing(_validator: Any, _value: Any, _document: Any, _schema: Any) -> tuple[()]:
    return ()


def _counted(follow: _Keyword) -> _Keyword:
    def counted(validator: Any, value: Any, document: Any, schema: Any) -> Any:
        if next(_left.get(), None) is None:
            raise _TooManyReferencesError
        return follow(validator, value, document, schema)

    return counted


def _unless_patterned(apply: _Keyword) -> _Keyword:
    def applied(validator: Any, value: Any, document: Any, schema: Any) -> Any:
        return () if "patternProperties" in schema else apply(validator, value, document, schema)

    return applied


def _unique(_validator: Any, wanted: Any, document: Any, _schema: Any) -> Iterator[Any]:
    """The library compares every item with every other where they cannot be sorted, as objects cannot."""
    import jsonschema  # noqa: PLC0415 - see `_validator`

    if wanted is True and isinstance(document, list) and len({_hashable(item) for item in document}) < len(document):
        yield jsonschema.ValidationError("there are equal items")


def _hashable(value: Any) -> Any:
    match value:
        case bool():
            return bool, value  # equal to 1 and 0 in Python, but not in JSON
        case dict():
            return frozenset((name, _hashable(part)) for name, part in value.items())
        case list():
            return tuple(_hashable(part) for part in value)
        case _:
            return value
