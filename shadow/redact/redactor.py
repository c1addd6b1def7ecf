"""Redaction of text, of JSON values and of whole exchanges."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from shadow.errors import RedactionError
from shadow.records import CaptureCounts, Exchange, Reply
from shadow.redact import contacts, pseudonyms, secrets
from shadow.redact.keys import sensitivity
from shadow.redact.placeholders import SECRET
from shadow.settings import RedactionSettings, Settings

if TYPE_CHECKING:
    from shadow.redact.custom_patterns import CustomPatterns

#: A replacement can make another match possible; the rules are repeated until nothing changes.
_MAX_PASSES: Final = 12

#: Short texts (names, roles, values of segments) recur; the results of this many are cached.
_SHORT: Final = 48
_CACHE_SIZE: Final = 4_096

#: A data URL with base64, such as an image. It is not searched, because it contains no text. Short ones
#: are searched, because that is cheap.
_DATA_URL: Final = re.compile(r"(data:[\w.+/;=-]{0,99};base64,[A-Za-z0-9+/]{64,}+={0,2})", re.ASCII)

#: W3C Trace Context: version, trace, parent, flags. Anything else is free text.
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class Redactor:
    """Replaces e-mail addresses, phone and card numbers, IBANs and secrets by placeholders.

    Placeholders are those of `shadow.redact.placeholders` and, for the patterns of the settings,
    `[<name>]`. Redacting twice changes nothing more.
    """

    def __init__(self, settings: RedactionSettings | None = None, *, known: Collection[str] = ()) -> None:
        """`known`: names of tasks and models in the settings, which are not private."""
        settings = settings or RedactionSettings()
        self._enabled = settings.enabled
        self._custom = _custom(settings.patterns) if settings.patterns else None
        self._known = frozenset(known)
        self._short = lru_cache(_CACHE_SIZE)(self._text)
        self._unit_key = pseudonyms.key()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """A redactor for these settings; it does not redact the names of their tasks and models."""
        models = (name for model, spec in settings.models.items() for name in (model, spec.model) if name)
        return cls(settings.redaction, known={*settings.tasks, *models})

    def text(self, text: str) -> str:
        """`text`, redacted. JSON stays valid JSON."""
        if not self._enabled:
            return text
        return self._short(text) if len(text) <= _SHORT else self._text(text)

    def value(self, value: Any) -> Any:
        """A JSON value with every text in it redacted, and with the values of secret keys replaced."""
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
        """`exchange`, redacted. A `traceparent` that is not in the W3C form is removed."""
        if not self._enabled:
            return exchange
        trace = exchange.traceparent
        return msgspec.structs.replace(
            exchange,
            task=self._name(exchange.task),
            request=self.value(exchange.request),
            reply=self.reply(exchange.reply),
            segment=self._dict(exchange.segment),
            unit=self._unit(exchange.unit),
            reference=None if exchange.reference is None else self.text(exchange.reference),
            traceparent=trace if trace and _TRACEPARENT.fullmatch(trace) else None,
        )

    def reply(self, reply: Reply) -> Reply:
        """`reply`, redacted."""
        if not self._enabled:
            return reply
        return msgspec.structs.replace(
            reply,
            model=self._name(reply.model),
            content=None if reply.content is None else self.text(reply.content),
            reasoning=None if reply.reasoning is None else self.text(reply.reasoning),
            refusal=None if reply.refusal is None else self.text(reply.refusal),
            finish_reason=None if reply.finish_reason is None else self.text(reply.finish_reason),
            failure_detail=None if reply.failure_detail is None else self.text(reply.failure_detail),
            tool_calls=tuple(
                msgspec.structs.replace(call, name=self.text(call.name), arguments=self.text(call.arguments))
                for call in reply.tool_calls
            ),
        )

    def counts(self, counts: CaptureCounts) -> CaptureCounts:
        """Counts under the task names that the redacted exchanges have."""
        tasks: dict[str, Counter[str]] = {}
        for task, outcomes in counts.counts.items():
            tasks.setdefault(self._name(task), Counter()).update(outcomes)
        return msgspec.structs.replace(counts, counts={task: dict(outcomes) for task, outcomes in tasks.items()})

    def _text(self, text: str) -> str:
        clean = self._scan(text)
        if (clean != text or "\\" in text) and text.lstrip()[:1] in ("{", "["):
            return self._json(text, clean)
        return clean

    def _json(self, text: str, scanned: str) -> str:
        """`text` redacted as JSON, so that it stays valid and escapes are decoded; `scanned` if it is not JSON."""
        try:
            value = msgspec.json.decode(text)
            clean = self.value(value)
            # A bare number in JSON must become a *string*, or the text is no longer JSON.
            result = text if clean == value else msgspec.json.encode(clean).decode()
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return scanned
        # Some rules need the whole text, for example a name and the value after it.
        whole = self._scan(result)
        return whole if _is_json(whole) else result

    def _scan(self, text: str) -> str:
        if ";base64," not in text:
            return self._rules(text)
        parts = _DATA_URL.split(text)
        parts[::2] = [self._rules(part) for part in parts[::2]]
        clean = "".join(parts)
        return text if clean == text else clean

    def _rules(self, text: str) -> str:
        """`text` after all rules. Raises RedactionError if the last pass still changed the text."""
        for _ in range(_MAX_PASSES):
            before = text
            for rule in (*secrets.RULES, *contacts.RULES):
                text = rule(text)
            if (
                self._custom is not None
            ):  # last: replacing a part of an e-mail address would hide the rest from its rule
                text = self._custom.replace(text)
            if text == before:
                return text
        raise RedactionError(f"a text still changed after {_MAX_PASSES} passes of redaction")

    def _dict(self, items: Mapping[Any, Any]) -> dict[Any, Any]:
        clean: dict[Any, Any] = {}
        for key, item in items.items():
            unique = name = self.text(key) if isinstance(key, str) else key
            n = 1
            while unique in clean:  # redaction made two keys equal: number them
                n += 1
                unique = f"{name} {n}"
            clean[unique] = self._under(key, item)
        return clean

    def _under(self, key: Any, item: Any) -> Any:
        # Only texts and numbers: in a JSON schema, the value of `"password"` is a type, not a password.
        if not self._enabled or not isinstance(item, str | int | float) or isinstance(item, bool):
            return self.value(item)
        match sensitivity(key, item):
            case "secret":
                return SECRET
            case "in context":
                return self._in_context(f"{key}: ", self.value(item))
            case _:
                return self.value(item)

    def _in_context(self, name: str, item: str | float) -> str | float:
        """`item`, searched together with its name: `4155552671` is a phone number only after `phone: `."""
        text = f"{name}{item}"
        clean = self._scan(text)
        return clean.removeprefix(name) if clean != text and clean.startswith(name) else item

    def _name(self, name: str) -> str:
        return name if name in self._known else self.text(name)

    def _unit(self, unit: str | None) -> str | None:
        if unit is None or (self._unit_key is None and self.text(unit) == unit):
            return unit
        return pseudonyms.pseudonym(unit, self._unit_key)


def _custom(patterns: dict[str, str]) -> "CustomPatterns":
    from shadow.redact.custom_patterns import CustomPatterns  # noqa: PLC0415 - slow to import, and few users have patterns

    return CustomPatterns(patterns)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
