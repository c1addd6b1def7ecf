"""Secrets in JSON that the structure around them gives away: names and values beside each other, headers, parts.

These functions say where it is; `shadow.redact.redactor` replaces it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shadow.redact.keys import is_secret_header, kind_of

#: `{"name": "password", "value": "x"}`: keys of names, and of values.
_NAME_KEYS: Final = (
    "name", "key", "header", "field", "Name", "Key", "headerName", "param", "parameter", "variable", "id", "k",
    "label", "type",
)  # fmt: skip
_VALUE_KEYS: Final = frozenset({"value", "values", "val", "Value", "headerValue", "v"})
_SHORT_NAMES: Final = frozenset({"pass", "pw", "Pass", "PASS", "pin", "clave"})
_USER_KEYS: Final = frozenset({"user", "username", "login", "User", "USER", "email", "usuario"})
#: Keys by which a dictionary under `"password"` is a JSON schema, or the description of an input field.
_SCHEMA_KEYS: Final = frozenset({
    "type", "$ref", "anyOf", "oneOf", "allOf", "properties", "items", "format", "title", "description", "enum",
    "minLength", "required",
})  # fmt: skip
_SCHEMA_TYPES: Final = frozenset(
    {"string", "object", "array", "integer", "number", "boolean", "null", "password", "text"}
)
#: Headers whose name alone tells a pair of header and value from a list of names, such as `["password", "email"]`.
_HEADER_NAMES: Final = frozenset({
    "authorization", "proxy-authorization", "x-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "apikey",
    "x-auth-token", "x-access-token", "x-goog-api-key", "ocp-apim-subscription-key", "x-amz-security-token",
    "x-functions-key", "x-csrf-token", "x-vault-token", "private-token", "x-session-token", "x-secret-key",
})  # fmt: skip
_FIELD_NAME: Final = re.compile(r"[a-z]+(?:[_A-Z-][a-zA-Z]*)*[0-9]?|[A-Z]+(?:_[A-Z]+)*")
#: A text that ends so, in small letters, may end in the name of a secret, whose value stands in the next text.
_NAME_ENDS: Final = (
    ":", "=", "\uff1a", " is", " ist", " es", " est", "password", "passwort", "contraseña", "mot de passe",
    "--password", "key", "token",
)  # fmt: skip
_SIGN_AT_END: Final = re.compile(r"\s{0,3}(?:[:=\uff1a]|\b(?:is|ist|es|est|lautet))\s{0,3}\Z")
_MAX_NAME: Final = 80


def is_schema(value: Mapping[Any, Any]) -> bool:
    """Whether a dictionary describes a value rather than holds one."""
    kind = value.get("type")
    if isinstance(kind, str):
        return kind in _SCHEMA_TYPES
    return isinstance(kind, list) or not _SCHEMA_KEYS.isdisjoint(value)


def named_value(items: Mapping[Any, Any]) -> tuple[str, str] | None:
    """The name, and the key of its value, in `{"name": "password", "value": "x"}`; None in other dictionaries."""
    if _VALUE_KEYS.isdisjoint(items):
        return None
    for key in items:
        if key in _VALUE_KEYS:
            name = next((items[of] for of in _NAME_KEYS if isinstance(items.get(of), str)), None)
            if name is not None and kind_of(name[:100]) is not None:
                return name, key
    return None


def names_beside_user(items: Mapping[Any, Any]) -> frozenset[str]:
    """Keys such as `pass`, which is a password only beside a user: `{"user": "bob", "pass": "x"}`."""
    if _SHORT_NAMES.isdisjoint(items) or _USER_KEYS.isdisjoint(items):
        return frozenset()
    return _SHORT_NAMES.intersection(items)


def secret_headers(items: Mapping[Any, Any]) -> frozenset[str]:
    """The names of the secret headers in a dictionary with `headers`: of an MCP server, all that are not ordinary."""
    headers = items.get("headers")
    if not isinstance(headers, Mapping):
        return frozenset()
    every = (
        items.get("type") == "mcp"
        or "server_url" in items
        or "server_label" in items
        or "mcp" in str(items.get("transport", ""))
    )
    return frozenset(name for name in headers if is_secret_header(name, every=every))


def is_secret_pair(pair: Sequence[Any]) -> bool:
    """Whether a list is `["Authorization", "x"]`: the name of a secret, and its value."""
    name, value = pair
    if not isinstance(name, str) or not isinstance(value, str) or len(name) > 40:
        return False
    if name.lower() in _HEADER_NAMES:
        return kind_of(value[:100]) is None or not _FIELD_NAME.fullmatch(value)
    return kind_of(name) in ("secret", "secret if text") and " " not in value and not _FIELD_NAME.fullmatch(value)


def is_list_of_pairs(items: Sequence[Any]) -> bool:
    """Whether all of a list, such as of headers, are pairs of texts, of which one at least is no name of a field."""
    return all(
        isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], str)
        for item in items
    )


def ends_in_name(text: str) -> str | None:
    """The end of a text that ends like `my password:`, with a space after it; None for other texts."""
    end = text[-_MAX_NAME:].rstrip()
    return f"{end} " if end.lower().endswith(_NAME_ENDS) else None


def is_named_secret(end: str) -> bool:
    """Whether the end of a text, from `ends_in_name`, is the name of a secret and a sign or verb after it."""
    name = _SIGN_AT_END.sub("", end)
    if name == end:
        return False
    words = name.split()[-3:]
    return any(kind_of("".join(words[first:])) in ("secret", "secret if text") for first in range(len(words)))


def text_of(item: Any) -> str | None:
    """A text, or the text of a part of a message; None for anything else."""
    if isinstance(item, str):
        return item
    text = item.get("text") if isinstance(item, Mapping) and "text" in item else None
    return text if isinstance(text, str) else None
