"""All rules, on one text: in passes until none changes it any more, and inside its base64."""

import re
from typing import TYPE_CHECKING, Final

from shadow.errors import RedactionError
from shadow.redact.folding import fold
from shadow.redact.placeholders import SECRET
from shadow.redact.rules import base64_text, secrets
from shadow.redact.rules.assignments import assignment_spans
from shadow.redact.rules.emails import email_spans
from shadow.redact.rules.numbers import number_spans
from shadow.redact.rules.tokens import token_spans
from shadow.redact.spans import Span, has_long_word, replace_spans, to_latin1

if TYPE_CHECKING:
    from shadow.redact.custom_patterns import CustomPatterns

#: Each takes the folded text, and the same in Latin-1 and lower case, and returns the spans of what it found.
_RULES: Final = (
    secrets.key_blocks,
    secrets.logins,
    token_spans,
    secrets.authorizations,
    assignment_spans,
    secrets.webhooks_and_azure,
    email_spans,
    number_spans,
)
_RULES_FOR_SHORT_WORDS: Final = tuple(rule for rule in _RULES if rule is not token_spans)
#: A replacement can make another match possible; the rules are repeated until nothing changes.
_MAX_PASSES: Final = 12

#: A data URL with base64, such as an image. It is not searched, because it contains no text. Short ones
#: are searched, because that is cheap.
_DATA_URL: Final = re.compile(r"(data:[\w.+/;=-]{0,99};base64,[A-Za-z0-9+/]{64,}+={0,2})", re.ASCII)

#: How often base64 inside base64 is decoded.
_MAX_DECODED: Final = 3


class TextRules:
    """The built-in rules, and the patterns of the settings."""

    def __init__(self, patterns: dict[str, str]) -> None:
        self._custom = _custom(patterns) if patterns else None

    def replace(self, text: str) -> str:
        """`text` after all rules. Raises RedactionError if the last pass still changed it."""
        if ";base64," not in text:
            return self._rules(text)
        parts = _DATA_URL.split(text)
        parts[::2] = [self._rules(part) for part in parts[::2]]
        parts[1::2] = [self._data_url(part) for part in parts[1::2]]
        clean = "".join(parts)
        return text if clean == text else clean

    def _data_url(self, url: str) -> str:
        head, _, data = url.partition(",")
        written = base64_text.decode(data.rstrip("="))
        return url if written is None or self._rules(written, 1) == written else f"{head},{SECRET}"

    def _rules(self, text: str, decoded: int = 0) -> str:
        """`text` after all rules. Raises RedactionError if the last pass still changed the text.

        `decoded`: how many times base64 was decoded to get to this text.
        """
        for _ in range(_MAX_PASSES):
            before = text
            folded = fold(text)
            lower = to_latin1(folded.text).lower()
            long_words = has_long_word(lower)
            for rule in _RULES if long_words else _RULES_FOR_SHORT_WORDS:
                if spans := rule(folded.text, lower):
                    text = replace_spans(text, folded.in_original(spans))
                    folded = fold(text)
                    lower = to_latin1(folded.text).lower()
            if long_words and decoded < _MAX_DECODED and (spans := self._encoded(folded.text, decoded + 1)):
                text = replace_spans(text, folded.in_original(spans))
            if self._custom is not None:
                # Last: replacing a part of an e-mail address would hide the rest from its rule.
                text = self._custom.replace(text)
            if text == before:
                return text
        raise RedactionError(f"a text still changed after {_MAX_PASSES} passes of redaction")

    def _encoded(self, text: str, decoded: int) -> list[Span]:
        """The spans of base64 with something private in it."""
        return [
            (start, end, SECRET)
            for start, end, written in base64_text.texts_in(text)
            if self._rules(written, decoded) != written
        ]

    def replace_custom(self, text: str) -> str:
        """`text` after the patterns of the settings alone."""
        return text if self._custom is None else self._custom.replace(text)


def _custom(patterns: dict[str, str]) -> "CustomPatterns":
    from shadow.redact.custom_patterns import CustomPatterns  # noqa: PLC0415 - slow to import, and few users have patterns

    return CustomPatterns(patterns)
