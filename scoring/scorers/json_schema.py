"""Whether a document fits the JSON schema of its request.

The schema comes from the application and the document from the model. The time that validation
takes is bounded here, because the scorer must keep up with its topic:

- `pattern` and `patternProperties` are not applied. Python holds the interpreter lock while it
  matches a regular expression, and one that is harmless on good input may take hours on bad input.
  Where there are `patternProperties`, `additionalProperties` cannot be decided and is not applied either.
- `unevaluatedProperties` and `unevaluatedItems` are not applied: their cost is quadratic in the size
  of the document.
- The number of references that are followed in a document is limited. A recursive schema with
  alternatives multiplies the work with every level of the document.
- Nothing is fetched: a `$ref` to another document cannot be resolved.

A schema that cannot be applied does not make a reply malformed, and does not make it pass either:
the fields are compared all the same.
"""

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, TypeAlias

import msgspec

from scoring.scorers.scorer import Request, Unreadable
from shadow.errors import ShadowError

#: Takes (validator, the keyword's value, document, schema); returns the errors.
_Keyword: TypeAlias = Callable[[Any, Any, Any, Any], Any]

#: A list of 10,000 objects is longer than any reply; following that many references takes a fraction of a second.
_MAX_REFERENCES: Final = 10_000

_NOT_APPLIED: Final = ("pattern", "patternProperties", "unevaluatedProperties", "unevaluatedItems")
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


def schema_of(request: Request) -> Mapping[str, Any] | None:
    """The JSON schema that the request prescribes for the reply; None if there is none."""
    match request:
        case {"response_format": {"json_schema": {"schema": dict() as schema}}}:
            return schema
        case {"text": {"format": {"schema": dict() as schema}}}:
            return schema
        case _:
            return None


def validate(document: Any, schema: Mapping[str, Any]) -> None:
    """Raises Unreadable, with the JSON path of the first error, if the document does not fit the schema."""
    _references_left.set(iter(range(_MAX_REFERENCES)))
    try:
        validator = _validator(msgspec.json.encode(schema))
        error = next(iter(validator.iter_errors(document)), None) if validator else None
    except Exception:  # noqa: BLE001 - an unusual schema may fail in the library in many ways; the reply is not to blame
        return
    if error is not None:
        raise Unreadable(f"does not fit the schema at {error.json_path}: {error.message}"[:300])


class TooManyReferencesError(ShadowError):
    """Validation followed more references than any reply needs."""


#: The remaining references that may be followed in the current document.
_references_left: Final[ContextVar[Iterator[int]]] = ContextVar("left")


@lru_cache(maxsize=256)
def _validator(schema: bytes) -> Any:
    """A validator for the schema; None if the schema itself is invalid."""
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
    return _bounded(kind)(_without_dialects(parsed), registry=referencing.Registry())


@lru_cache(maxsize=16)
def _bounded(kind: Any) -> Any:
    """The validator class, with keywords replaced so that its work is bounded as described above."""
    import jsonschema  # noqa: PLC0415 - see `_validator`

    known: Mapping[str, _Keyword] = kind.VALIDATORS
    changed: dict[str, _Keyword] = {name: _no_errors for name in _NOT_APPLIED if name in known}
    changed |= {name: _counted(known[name]) for name in _REFERENCES if name in known}
    changed |= {"additionalProperties": _unless_patterned(known["additionalProperties"]), "uniqueItems": _unique}
    return jsonschema.validators.extend(kind, changed)  # type: ignore[no-untyped-call]


def _without_dialects(schema: Any) -> Any:
    """The schema without `$schema`: at a nested one the library would switch to its own keywords."""
    match schema:
        case dict():
            return {
                name: _without_dialects(part)
                for name, part in schema.items()
                if name != "$schema" or not isinstance(part, str)
            }
        case list():
            return [_without_dialects(part) for part in schema]
        case _:
            return schema


def _no_errors(_validator: Any, _value: Any, _document: Any, _schema: Any) -> tuple[()]:
    return ()


def _counted(follow: _Keyword) -> _Keyword:
    def counted(validator: Any, value: Any, document: Any, schema: Any) -> Any:
        if next(_references_left.get(), None) is None:
            raise TooManyReferencesError
        return follow(validator, value, document, schema)

    return counted


def _unless_patterned(apply: _Keyword) -> _Keyword:
    def applied(validator: Any, value: Any, document: Any, schema: Any) -> Any:
        return () if "patternProperties" in schema else apply(validator, value, document, schema)

    return applied


def _unique(_validator: Any, wanted: Any, document: Any, _schema: Any) -> Iterator[Any]:
    """Replaces the library's check, which compares all pairs of items that cannot be sorted, such as objects."""
    import jsonschema  # noqa: PLC0415 - see `_validator`

    if wanted is True and isinstance(document, list) and len({_hashable(item) for item in document}) < len(document):
        yield jsonschema.ValidationError("has equal items")


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
