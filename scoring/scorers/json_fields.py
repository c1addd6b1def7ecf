"""`json`: a document that fits its schema, compared field by field.

Agreement is the share of equal fields among all fields of either side. A field is a
leaf of the document, named by its JSON path (`$.items[0].price`; a name with a dot or a bracket
in it is quoted, `$["net.price"]`); a missing one is a disagreement about that field. Strings are
equal without case, in any Unicode form and with white space folded; a number equals the same number written as a
string. Whole numbers are equal only if they are the same, at any length.
`null` and a missing field are the same; in a list, `null` is an item.

The schema is option `schema`, else the one in the request (`response_format` or
`text.format`). A reply that is not JSON, or does not fit the schema, is malformed, because
the application could not have used it. See `json_schema` for the keywords that are applied.

Options: `schema`; `fields`, the paths to compare (a path includes what is under it); `ignore`,
paths to leave out; `ignore_order = true`, to compare lists as bags of whole items; `relative`,
the largest relative difference of two equal numbers (without it, what rounding a float leaves). In
`fields` and `ignore`, `[*]` stands for every index; they do not reach inside lists compared as bags.
"""

import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from hashlib import blake2b
from math import isclose
from typing import Any, Final, TypeAlias

import msgspec

from scoring.scorers.json_schema import schema_of, validate
from scoring.scorers.json_text import parse
from scoring.scorers.scorer import Options, Request, Scorer, Unreadable, caseless, text_of, unicode_form
from shadow.records import Reply

Fields: TypeAlias = dict[str, Any]

#: Maximum nesting: deeper documents would overflow the stack.
_MAX_DEPTH: Final = 64

#: A longer path is shortened, because each of the fields under it repeats it.
_MAX_PATH: Final = 500

_SPECIAL: Final = re.compile(r"[.\[\]]")
_INDEX: Final = re.compile(r"\[\d+\]")
_NUMERAL: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,99})(?:\.[0-9]{1,18})?")
#: Floats below this hold whole numbers exactly.
_EXACT: Final = 2**53
#: What computing with floats leaves: 0.1 + 0.2 is 0.3.
_ROUNDING: Final = 1e-15
_FLOAT_DIGITS: Final = 17
_MAX_ADJUSTED: Final = 400
_ABSENT: Final = object()


def read(reply: Reply, request: Request, options: Options) -> Fields:
    document = parse(text_of(reply))
    found = fields(document, options)  # before validation, because it refuses documents that are too deep
    schema = options.get("schema") or schema_of(request)
    if schema is not None:
        validate(document, schema)
    return found


def read_reference(text: str, options: Options) -> Fields:
    """The fields of a reference. It need not fit the schema of the request."""
    return fields(parse(text), options)


def agree(a: Fields, b: Fields, options: Options) -> float:
    paths = a.keys() | b.keys()
    if not paths:
        return 1.0
    return (len(paths) - len(_unequal(a, b, paths, options))) / len(paths)


def differences(a: Fields, b: Fields, options: Options) -> dict[str, Any]:
    """Each differing field with its two values (without absent ones); at most 20 fields."""
    different = _unequal(a, b, (*a, *(path for path in b if path not in a)), options)
    sides = {"frontier": a, "candidate": b}
    return {
        "fields": {
            path[:120]: {role: str(side[path])[:80] for role, side in sides.items() if path in side}
            for path in different[:20]
        }
    }


def _unequal(a: Fields, b: Fields, paths: Iterable[str], options: Options) -> list[str]:
    relative = options.get("relative")
    return [path for path in paths if not same(a.get(path, _ABSENT), b.get(path, _ABSENT), relative)]


def same(a: Any, b: Any, relative: float | None) -> bool:
    """Whether two leaves are equal. A number equals its text; two texts are compared as texts.

    `relative` is the largest relative difference of equal numbers; None: that of rounding, none for whole ones.
    """
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, str) and isinstance(b, str):
        return _folded(a) == _folded(b)
    x, y = _number(a), _number(b)
    if x is not None and y is not None:
        if x == y or (relative is None and isinstance(x, int) and isinstance(y, int)):
            return x == y
        try:
            if relative is None and all(map(_is_exact, (x, y))):
                return False
            return isclose(x, y, rel_tol=_ROUNDING if relative is None else relative)
        except OverflowError:
            return False
    return bool(a == b)


def _is_exact(number: float | Decimal) -> bool:
    """Whether a number is no rounded one: it is whole, or has more digits than a float."""
    return not isinstance(number, float) or number.is_integer()


def fields(document: Any, options: Options) -> Fields:
    """The leaves of a document by path. An empty object or list is a leaf; null is not."""
    chosen, ignored = tuple(options.get("fields", ())), tuple(options.get("ignore", ()))
    found: Fields = {}
    leaves: list[tuple[str, Any]] = []
    _collect(document, "$", bool(options.get("ignore_order")), 0, leaves)
    if not chosen and not ignored:
        return dict(leaves)
    for path, leaf in leaves:
        general = _INDEX.sub("[*]", path)
        if (not chosen or _under(path, general, chosen)) and not _under(path, general, ignored):
            found[path] = leaf
    return found


def _collect(value: Any, path: str, unordered: bool, depth: int, leaves: list[tuple[str, Any]]) -> None:
    """Adds the leaves of `value` with their paths: to a list, because nested generators take twice the time."""
    if depth > _MAX_DEPTH:
        raise Unreadable(f"nested deeper than {_MAX_DEPTH}")
    if isinstance(value, dict):
        path, is_empty = _shortened(path), True
        for name, item in value.items():
            if item is not None:
                is_empty = False
                _collect(item, path + _step(name), unordered, depth + 1, leaves)
        if is_empty:
            leaves.append((path, {}))
    elif isinstance(value, list) and value:
        path = _shortened(path)
        if unordered:
            _collect_unordered(value, path, depth, leaves)
            return
        for i, item in enumerate(value):
            _collect(item, f"{path}[{i}]", unordered, depth + 1, leaves)
    elif value is not None or depth:
        leaves.append((path, value))


def _collect_unordered(items: list[Any], path: str, depth: int, leaves: list[tuple[str, Any]]) -> None:
    """List items under names made from their content, so that equal items match at any position."""
    seen: Counter[str] = Counter()
    for item in items:
        inside: list[tuple[str, Any]] = []
        _collect(item, "", unordered=True, depth=depth + 1, leaves=inside)
        # Shortened, because the name of a nested list holds the quoted names of its items.
        name = _shortened(_json(sorted((p, _canonical(v)) for p, v in inside)))
        seen[name] += 1
        leaves.append((f"{path}[{name}#{seen[name]}]", True))


def _step(name: str) -> str:
    name = unicode_form(name)
    return f"[{_json(name)}]" if _SPECIAL.search(name) else f".{name}"


def _shortened(path: str) -> str:
    if len(path) <= _MAX_PATH:
        return path
    return f"{path[:100]}…{blake2b(path.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _canonical(leaf: Any) -> str:
    number = _number(leaf)
    if number is not None:
        return repr(number)
    return f'"{_folded(leaf)}' if isinstance(leaf, str) else str(leaf)  # the quote: "{}" is not {}


def _folded(text: str) -> str:
    return unicode_form(caseless(" ".join(text.split())))


def _number(value: Any) -> int | float | Decimal | None:
    """A number, or the text of one; whole ones are exact. A leading zero or plus, or an exponent, makes it an id."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = value.strip()
        if not _NUMERAL.fullmatch(value):
            return None
        value = (
            int(value)
            if value.lstrip("-").isdigit()
            else float(value)
            if len(value) < _FLOAT_DIGITS
            else Decimal(value)
        )
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value.adjusted()) < _MAX_ADJUSTED else value
    return value if isinstance(value, int) else None


def _under(path: str, general: str, wanted: tuple[str, ...]) -> bool:
    return any(p == w or p.startswith((f"{w}.", f"{w}[")) for w in wanted for p in (path, general))


OPTIONS: Final = {"schema": dict, "fields": list, "ignore": list, "ignore_order": bool, "relative": float}
SCORER = Scorer(read=read, agree=agree, reference=read_reference, differences=differences, options=OPTIONS)
