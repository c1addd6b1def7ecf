"""Redaction of text, of JSON values and of whole exchanges."""

import itertools
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Self

import msgspec

from shadow.records import CaptureCounts, Exchange, Reply
from shadow.redact import pseudonyms, structures
from shadow.redact.clean_texts import CleanTexts, digest_of
from shadow.redact.keys import kind_of, names_other_number, sensitivity
from shadow.redact.placeholders import SECRET
from shadow.redact.text_rules import TextRules
from shadow.settings import RedactionSettings, Settings

#: Short texts (names, roles, values of segments) recur; the results of this many are cached.
_SHORT: Final = 48
_CACHE_SIZE: Final = 4_096

#: One of these is in a JSON text, in lower case, in which the structure around it can make a value secret.
_STRUCTURE_WORDS: Final = (
    "pass", "pwd", "auth", "key", "secret", "token", "cookie", "cred", "header", "kennwort", "senha", "wachtwoord",
    "salasana",
    "adgangskode", "contrase", "heslo", "haslo", "losenord", "phone", "mobil",
)  # fmt: skip

#: A float from here on is none of 16 digits.
_LONGEST_FLOAT: Final = 1e17

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
        self._rules = TextRules(settings.patterns)
        self._known = frozenset(known)
        self._short = lru_cache(_CACHE_SIZE)(self._text)
        self._clean_texts = CleanTexts()
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
        if len(text) <= _SHORT:
            return self._short(text)
        digest = digest_of(text)
        if self._clean_texts.holds(digest):
            return text
        clean = self._text(text)
        if clean == text:
            self._clean_texts.add(digest)
        return clean

    def value(self, value: Any) -> Any:
        """A JSON value with every text in it redacted, and with the values of secret keys replaced."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return self._dict(value)
            case list() | tuple():
                return self._list(value)
            case int() | float() if _is_long(value):
                written = str(int(value))
                clean = self.text(written)
                return value if clean == written else clean
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
        clean = self._rules.replace(text)
        if text.lstrip()[:1] in ("{", "[") and (clean != text or "\\" in text or _may_have_structure(text)):
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
        whole = self._rules.replace(result)
        return whole if _is_json(whole) else result

    def _dict(self, items: Mapping[Any, Any], *, secret: bool = False) -> dict[Any, Any]:
        """`items`, redacted; of `secret` ones, every text."""
        clean: dict[Any, Any] = {}
        named = structures.named_value(items)
        beside_user = structures.names_beside_user(items)
        headers = structures.secret_headers(items) if "headers" in items else frozenset()
        for key, item in items.items():
            unique = name = self.text(key) if isinstance(key, str) else key
            n = 1
            while unique in clean:  # redaction made two keys equal: number them
                n += 1
                unique = f"{name} {n}"
            if named is not None and key == named[1]:
                clean[unique] = self._under(named[0], item)
            elif headers and key == "headers":
                clean[unique] = self._dict(
                    {of: self._secret(value) if of in headers else value for of, value in item.items()}
                )
            elif secret or (key in beside_user and isinstance(item, str) and self._enabled):
                clean[unique] = self._secret(item, numbers=False)
            else:
                clean[unique] = self._under(key, item)
        return clean

    def _list(self, items: Sequence[Any]) -> list[Any]:
        clean = [self.value(item) for item in items]
        if not self._enabled or len(items) < 2:
            return clean
        first = items[0]
        if isinstance(first, list | tuple):
            if structures.is_list_of_pairs(items):
                return [[name, self._under(pair[0], pair[1])] for (name, _), pair in zip(clean, items, strict=True)]
        elif len(items) == 2 and isinstance(first, str) and structures.is_secret_pair(items):
            clean[1] = SECRET
        elif isinstance(first, str) or (isinstance(first, dict) and "text" in first):
            self._after_names(clean)
        return clean

    def _after_names(self, clean: list[Any]) -> None:
        """Redact texts, or parts with a text, whose meaning the end of the text before them gives away."""
        for place, (before, item) in enumerate(itertools.pairwise(clean), 1):
            name = structures.text_of(before)
            text = structures.text_of(item)
            if name and text and (end := structures.ends_in_name(name)):
                alone = structures.is_named_secret(end) and len(text.split()) == 1
                within = SECRET if alone else str(self._in_context(end, text))
                clean[place] = within if isinstance(item, str) else {**item, "text": within}

    def _under(self, key: Any, item: Any) -> Any:
        if not self._enabled or item is None or isinstance(item, bool):
            return self.value(item)
        if not isinstance(item, str | int | float):
            # In a JSON schema, the value of `"password"` is a type, not a password.
            if isinstance(item, list | tuple) and isinstance(key, str) and kind_of(key[:100]) == "in context":
                return [
                    self._under(key, inner) if isinstance(inner, str | int) else self.value(inner) for inner in item
                ]
            is_secret = isinstance(key, str) and kind_of(key[:100]) in ("secret", "secret if text")
            # Of credentials, the names of their parts tell which are secret.
            is_secret = is_secret and not (isinstance(item, dict) and key.lower().startswith("credential"))
            return self._secret(item) if is_secret else self.value(item)
        match sensitivity(key, item):
            case "secret":
                return SECRET
            case "in context":
                return self._in_context(f"{key}: ", self.value(item))
            case None if str(item).isdecimal() and names_other_number(key):
                return self._replaced(item, self._rules.replace_custom(str(item)))
            case _:
                return self.value(item)

    def _secret(self, item: Any, *, numbers: bool = True) -> Any:
        """`item` with every text in it replaced, and `numbers` too unless a dictionary names them."""
        match item:
            case str():
                return SECRET
            case bool() | None:
                return item
            case int() | float():
                return SECRET if numbers else self.value(item)
            case list() | tuple():
                return [self._secret(inner, numbers=numbers) for inner in item]
            case dict():
                return self.value(item) if structures.is_schema(item) else self._dict(item, secret=True)
            case _:
                return self.value(item)

    @staticmethod
    def _replaced(item: str | float, clean: str) -> str | float:
        return item if clean == str(item) else clean

    def _in_context(self, name: str, item: str | float) -> str | float:
        """`item`, searched together with its name: `4155552671` is a phone number only after `phone: `."""
        text = f"{name}{item}"
        clean = self._rules.replace(text)
        return clean.removeprefix(name) if clean != text and clean.startswith(name) else item

    def _name(self, name: str) -> str:
        return name if name in self._known else self.text(name)

    def _unit(self, unit: str | None) -> str | None:
        if unit is None or (self._unit_key is None and self.text(unit) == unit):
            return unit
        return pseudonyms.pseudonym(unit, self._unit_key)


def _is_long(number: float) -> bool:
    """Whether a number of JSON may be that of a card."""
    return abs(number) >= 10**12 and (isinstance(number, int) or (number < _LONGEST_FLOAT and number.is_integer()))


def _may_have_structure(text: str) -> bool:
    lower = text.lower()
    return not text.isascii() or any(word in lower for word in _STRUCTURE_WORDS)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
