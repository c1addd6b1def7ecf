"""Redaction of text, of JSON values and of whole exchanges."""

import re
from hashlib import blake2b
from typing import Any, Final

import msgspec

from shadow.records import Exchange, Reply
from shadow.redact import contacts, secrets
from shadow.settings import Redaction

#: Dictionary keys whose value is a secret whatever it looks like, in lower case without `-` and `_`.
SECRET_KEYS: Final = frozenset({
    "password", "passwd", "pwd", "passphrase", "secret", "clientsecret", "secretkey", "apikey", "xapikey", "accesskey",
    "secretaccesskey", "authorization", "proxyauthorization", "accesstoken", "refreshtoken", "idtoken", "authtoken",
    "sessiontoken", "bearertoken", "privatekey", "cookie", "setcookie",
})  # fmt: skip

#: Replacing one thing can bring another to light; rules repeat until nothing changes.
_MAX_PASSES: Final = 4


class Redactor:
    """Replaces e-mail addresses, phone and card numbers, IBANs and secrets by placeholders.

    Placeholders are `[email]`, `[phone]`, `[card]`, `[iban]`, `[secret]` and, for the rules of
    the settings, `[<name>]`. Redacting twice changes nothing more.
    """

    def __init__(self, settings: Redaction | None = None) -> None:
        settings = settings or Redaction()
        self._enabled = settings.enabled
        self._own = [(re.compile(pattern), f"[{name}]") for name, pattern in settings.patterns.items()]

    def text(self, text: str) -> str:
        """`text` without what is private. Text that is JSON stays JSON."""
        if not self._enabled or len(text) < 6 or _is_data_url(text):
            return text
        clean = self._scan(text)
        if clean != text and text.lstrip()[:1] in ("{", "["):
            # A bare number in JSON must become a *string*, or nobody can parse it any more.
            try:
                return msgspec.json.encode(self.value(msgspec.json.decode(text))).decode()
            except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
                return clean
        return clean

    def value(self, value: Any) -> Any:
        """A JSON value with every text in it redacted, and values under secret-like keys replaced."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return self._dict(value)
            case list() | tuple():
                return [self.value(item) for item in value]
            case int() if abs(value) >= 10**12:
                clean = self.text(str(value))
                return value if clean == str(value) else clean
            case _:
                return value

    def exchange(self, exchange: Exchange) -> Exchange:
        """A whole exchange, redacted."""
        if not self._enabled:
            return exchange
        return msgspec.structs.replace(
            exchange,
            request=self.value(exchange.request),
            reply=self.reply(exchange.reply),
            segment={name: self.text(value) for name, value in exchange.segment.items()},
            unit=self._unit(exchange.unit),
            reference=None if exchange.reference is None else self.text(exchange.reference),
        )

    def reply(self, reply: Reply) -> Reply:
        return msgspec.structs.replace(
            reply,
            content=None if reply.content is None else self.text(reply.content),
            refusal=None if reply.refusal is None else self.text(reply.refusal),
            failure_detail=None if reply.failure_detail is None else self.text(reply.failure_detail),
            tool_calls=tuple(
                msgspec.structs.replace(call, arguments=self.text(call.arguments)) for call in reply.tool_calls
            ),
        )

    def _scan(self, text: str) -> str:
        for _ in range(_MAX_PASSES):
            before = text
            for pattern, placeholder in self._own:
                text = pattern.sub(placeholder, text)
            for rule in (*secrets.RULES, *contacts.RULES):
                text = rule(text)
            if text == before:
                break
        return text

    def _dict(self, items: dict[Any, Any]) -> dict[Any, Any]:
        clean: dict[Any, Any] = {}
        for key, item in items.items():
            unique = name = self._key(key)
            n = 1
            while unique in clean:  # keys that redaction made equal are told apart by a number
                n += 1
                unique = f"{name} {n}"
            clean[unique] = self._under(key, item)
        return clean

    def _key(self, key: Any) -> Any:
        # Almost every key is a plain name, and a plain name needs no scan.
        return key if not isinstance(key, str) or (len(key) < 20 and key.isidentifier()) else self.text(key)

    def _under(self, key: Any, item: Any) -> Any:
        # Only plain values: below `"password"` in a JSON schema there is a type, not a password.
        if self._enabled and isinstance(item, str | int | float) and not isinstance(item, bool) and _is_secret(key):
            return "[secret]"
        return self.value(item)

    def _unit(self, unit: str | None) -> str | None:
        """A unit must stay apart from other units, so a private one is hashed and not blanked."""
        if unit is None or self.text(unit) == unit:
            return unit
        return "unit-" + blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _is_secret(key: Any) -> bool:
    return isinstance(key, str) and key.replace("_", "").replace("-", "").lower() in SECRET_KEYS


def _is_data_url(text: str) -> bool:
    return text.startswith("data:") and ";base64," in text[:128]
