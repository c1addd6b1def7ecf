"""The patterns under [redaction.patterns].

Users write them, and some patterns take practically for ever on the wrong text. Python's own `re`
cannot be interrupted and holds the interpreter lock meanwhile: the whole application would stop.
The `regex` module reads the same patterns, releases the lock, and has a timeout.
"""

import re
from collections.abc import Iterable
from typing import Final

import regex

from shadow.errors import RedactionError
from shadow.redact.spans import replaced

#: Longest that one pattern may search one text.
_TIMEOUT_S: Final = 1.0

_BUILT_IN: Final = ("email", "phone", "card", "iban", "secret")


class CustomPatterns:
    """Replaces what the user's patterns match by `[<name>]`.

    Placeholders, built-in or custom, are not searched: a pattern that matches its own name would
    otherwise match again in every pass. Empty matches are ignored.
    """

    def __init__(self, patterns: dict[str, str]) -> None:
        self._patterns = [(name, regex.compile(pattern), f"[{name}]") for name, pattern in patterns.items()]
        names = sorted((*_BUILT_IN, *patterns), key=len, reverse=True)
        self._placeholder = re.compile("|".join(re.escape(f"[{name}]") for name in names))

    def replace(self, text: str) -> str:
        """Raises RedactionError where a pattern takes too long."""
        for name, pattern, placeholder in self._patterns:
            try:
                spans = [
                    (*match.span(), placeholder)
                    for start, end in self._between_placeholders(text)
                    for match in pattern.finditer(text, start, end, concurrent=True, timeout=_TIMEOUT_S)
                    if match[0]
                ]
            except TimeoutError:
                raise RedactionError(
                    f"redaction.patterns.{name} took more than {_TIMEOUT_S:g} s over {len(text)} characters; "
                    "write it without nested repetitions such as (a+)+ and repeated alternatives such as (a|a)+"
                ) from None
            text = replaced(text, spans)
        return text

    def _between_placeholders(self, text: str) -> Iterable[tuple[int, int]]:
        start = 0
        for found in self._placeholder.finditer(text):
            yield start, found.start()
            start = found.end()
        yield start, len(text)
