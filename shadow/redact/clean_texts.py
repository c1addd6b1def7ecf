"""Which texts redaction left as they are, so that it need not search them again.

Requests repeat themselves: the instructions of a task are the same in all of them, and each turn of a
conversation brings the turns before it. What is remembered is the hash of a text and never the text.
"""

from hashlib import blake2b
from typing import Final

#: Texts in a generation. Two of them take about a megabyte.
_GENERATION: Final = 4_096


class CleanTexts:
    """The most recent texts that were clean: at least 4,096 of them, at most twice as many."""

    def __init__(self) -> None:
        self._recent: set[bytes] = set()
        self._older: set[bytes] = set()

    def holds(self, digest: bytes) -> bool:
        """Whether the text with this digest was clean. If so, it counts as recent again."""
        if digest in self._recent:
            return True
        if digest not in self._older:
            return False
        self.add(digest)
        return True

    def add(self, digest: bytes) -> None:
        """Remember the digest of a clean text."""
        if len(self._recent) >= _GENERATION:
            self._older, self._recent = self._recent, set()
        self._recent.add(digest)


def digest_of(text: str) -> bytes:
    """16 bytes for which no other text can be found."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
