"""The patterns under [redaction.patterns].

Users write them, and some patterns need exponential time on some texts. Python's `re` cannot be
interrupted and holds the interpreter lock meanwhile, so the whole application would stop.
The `regex` module reads the same patterns, releases the lock, and has a timeout.
"""

import re
from collections.abc import Iterable
from typing import Final

import regex

from shadow.errors import RedactionError
from shadow.redact.placeholders import BUILT_IN
from shadow.redact.spans import replace_spans

#: Longest time that one pattern may search one text.
_TIMEOUT_S: Final = 1.0


class CustomPatterns:
    """Replaces the matches of the user's patterns by `[<name>]`.

    Placeholders, built-in or custom, are not searched: a pattern that matches its own name would
    otherwise match again in every pass. Empty matches are ignored.
    """

    def __init__(self, patterns: dict[str, str]) -> None:
        self._patterns = [(name, regex.compile(pattern), f"[{name}]") for name, pattern in patterns.items()]
        placeholders = sorted((*BUILT_IN, *(f"[{name}]" for name in patterns)), key=len, reverse=True)
        self._placeholder = re.compile("|".join(map(re.escape, placeholders)))

    def replace(self, text: str) -> str:
        """`text` with all matches replaced. Raises RedactionError if a pattern takes too long."""
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
            text = replace_spans(text, spans)
        return text

    def _between_placeholders(self, text: str) -> Iterable[tuple[int, int]]:
        start = 0
        for match in self._placeholder.finditer(text):
            yield start, match.start()
            start = match.end()
        yield start, len(text)
