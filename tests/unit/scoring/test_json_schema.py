from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.scorers import SCORERS, Unreadable
from shadow.records import Reply

NUMBERED = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}


def read(document: Any, schema: Any, request: dict[str, Any] | None = None) -> Any:
    options = {} if schema is None else {"schema": schema}
    content = document if isinstance(document, str) else msgspec.json.encode(document).decode()
    return SCORERS["json"].read(Reply(model="m", content=content), request or {}, options)


def fits(document: Any, schema: Any) -> bool:
    try:
        read(document, schema)
    except Unreadable:
        return False
    return True


def test_a_document_that_does_not_fit_the_schema_is_unreadable():
    request = {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": NUMBERED}}}
    with pytest.raises(Unreadable, match=r"at \$.n: 'x' is not of type 'number'"):
        read('{"n": "x"}', None, request)
    assert read('{"n": 1}', None, {"text": {"format": {"schema": NUMBERED}}}) == {"$.n": 1}
    assert not fits({}, NUMBERED)


# One that a mail address of letters alone sends through all ways to divide it.
EXPLOSIVE = "^([a-zA-Z0-9]+[._-]?)+@[a-z]+$"


@pytest.mark.parametrize("dialect", ["", "http://json-schema.org/draft-07/schema#"])
@pytest.mark.parametrize(
    "schema",
    [{"properties": {"mail": {"pattern": EXPLOSIVE}}},
     {"additionalProperties": {"$ref": "#/$defs/mail"},
      "$defs": {"mail": {"$schema": "http://json-schema.org/draft-04/schema#", "pattern": EXPLOSIVE}}},
     {"patternProperties": {EXPLOSIVE: {"type": "string"}}},
     {"patternProperties": {EXPLOSIVE: {"type": "string"}}, "additionalProperties": False},
     {"patternProperties": {EXPLOSIVE: {"type": "string"}}, "unevaluatedProperties": False},
     {"propertyNames": {"pattern": EXPLOSIVE}}],
)  # fmt: skip
def test_patterns_of_the_schema_are_not_applied_to_a_models_text(schema: dict[str, Any], dialect: str):
    whole = {"$schema": dialect, "required": ["mail"], **schema} if dialect else {"required": ["mail"], **schema}
    assert fits({"mail": "a" * 40, "a" * 40: "x"}, whole)
    assert not fits({"a" * 40: "x"}, whole)


def test_an_invalid_pattern_does_not_disable_the_rest_of_the_schema():
    schema = {"properties": {"n": {"type": "string", "pattern": r"^\p{L}+$"}}}
    assert fits({"n": "é"}, schema)
    assert not fits({"n": 1}, schema)


@pytest.mark.parametrize(
    "schema",
    [{"type": "nonsense"}, {"$ref": "#/nowhere"}, {"$ref": "#"}, {"$schema": 5}, {"$schema": {}}, {"required": "name"},
     {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
     {"$ref": "#/there", "there": 5}, {"$ref": "#/there/0", "there": 5}, {"$ref": "#/there", "there": {"type": 5}},
     {"$ref": "#/there", "there": {"type": "nonsense"}}, {"$ref": "http://["}, {"allOf": [{"$ref": "#"}] * 3}],
)  # fmt: skip
def test_a_schema_that_cannot_be_applied_is_not_the_replys_fault(schema: dict[str, Any]):
    assert read('{"n": 1}', schema) == {"$.n": 1}


def test_a_schema_nested_too_deeply_is_not_the_replys_fault():
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5_000):
        schema = {"not": schema}
    assert fits({"n": 1}, schema)


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """The address of a server that has schemas, and the paths it was asked for."""
    paths: list[str] = []

    class Schemas(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"type": "string"}')

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Schemas) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()


def test_no_schema_is_fetched_from_the_network(asked: tuple[str, list[str]]):
    address, paths = asked
    for schema in (
        {"$ref": f"{address}/a.json"},
        {"$id": f"{address}/b.json", "properties": {"n": {"$ref": "c.json"}}},
        {"$schema": f"{address}/d.json", "properties": {"n": {"$dynamicRef": f"{address}/e.json#x"}}},
        {"$schema": "http://json-schema.org/draft-04/schema#", "id": f"{address}/", "items": {"$ref": "f.json"}},
    ):
        assert fits({"n": 1}, schema)
        assert fits([1], schema)
    assert paths == []


@given(st.lists(st.recursive(st.sampled_from([0, 1, 1.0, True, False, None, "1", "", [], {}]),
                             lambda parts: st.lists(parts, max_size=2) | st.dictionaries(st.sampled_from("ab"), parts)),
                max_size=4))  # fmt: skip
def test_items_are_unique_when_no_two_are_equal_as_json(items: list[Any]):
    assert fits(items, {"uniqueItems": True}) == (not any(equal(a, b) for i, a in enumerate(items) for b in items[:i]))


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)
    return bool(a == b)
