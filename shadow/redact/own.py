"""The patterns of the settings."""

import re
from collections.abc import Iterable
from typing import Final

from shadow.redact.spans import replaced

_BUILT_IN: Final = ("email", "phone", "card", "iban", "secret")


class OwnPatterns:
    """Replaces what the user's own patterns match by `[<name>]`.

    They see no placeholder, neither theirs nor ours: a pattern that matches its own name would
    otherwise find it again each time. What they match without a character is passed over.
    """

    def __init__(self, patterns: dict[str, str]) -> None:
        self._patterns = [(re.compile(pattern), f"[{name}]") for name, pattern in patterns.items()]
        names = sorted((*_BUILT_IN, *patterns), key=len, reverse=True)
        self._placeholder = re.compile("|".join(re.escape(f"[{name}]") for name in names))

    def replace(self, text: str) -> str:
        for pattern, placeholder in self._patterns:
            spans = [
                (*match.span(), placeholder)
                for start, end in self._between_placeholders(text)
                for match in pattern.finditer(text, start, end)
                if match[0]
            ]
            text = replaced(text, spans)
        return text

    def _between_placeholders(self, text: str) -> Iterable[tuple[int, int]]:
        start = 0
        for found in self._placeholder.finditer(text):
            yield start, found.start()
            start = found.end()
        yield start, len(text)
