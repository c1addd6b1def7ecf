"""What lies before one reviewer: the pair in front of them, those that wait, and those put aside.

A desk belongs to one page of one reader. It fetches a few pairs at a time, so that the next one is
there at once, and hands them out in an order of the reviewer's own: two people who label at the
same time would otherwise always meet at the same pair.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple

from shadow.store.feedback.review import ReviewPair
from shadow.store.rows.names import PairKey

#: Pairs fetched at a time.
BATCH: Final = 20


class Waiting(NamedTuple):
    """A pair to label: the chance it was chosen with, what from, and whether somebody else labelled it already."""

    name: PairKey
    probability: float
    stratum: str
    second: bool = False


@dataclass(kw_only=True, slots=True)
class Desk:
    """The work of one reviewer.

    `turn` counts what was put in front of them: a press that was meant for an earlier turn is told
    by it. `note` is the text the note field begins with, `trouble` what went wrong last.
    """

    reviewer: str
    current: Waiting | None = None
    waiting: list[Waiting] = field(default_factory=list)
    skipped: list[Waiting] = field(default_factory=list)
    turn: int = 0
    note: str = ""
    trouble: str = ""
    last_was_skip: bool = False

    def refill(self, found: Iterable[ReviewPair]) -> None:
        """Put further pairs into the queue: second opinions first, the rest in this reviewer's own order."""
        put_aside = {each.name for each in self.skipped}
        fresh = [
            Waiting(each.pair.key, each.probability, each.stratum, each.pair.human is not None)
            for each in found
            if each.pair.key not in put_aside
        ]
        self.waiting = sorted(fresh, key=lambda each: (not each.second, _shuffled(each.name, self.reviewer)))

    def take(self) -> Waiting | None:
        """Put the next pair in front of the reviewer; None where the queue is empty."""
        self.current = self.waiting.pop(0) if self.waiting else None
        self._turn()
        return self.current

    def drop(self) -> None:
        """The pair in front is not to be shown after all."""
        self.current = None

    def done(self) -> None:
        """The pair in front has been labelled."""
        self.current = None
        self.last_was_skip = False
        self._turn()

    def skip(self) -> None:
        """Put the pair in front aside, until the reviewer asks for it."""
        if self.current is not None:
            self.skipped.append(self.current)
            self.done()
            self.last_was_skip = True

    def put_back(self, pair: Waiting, *, note: str = "") -> None:
        """Put `pair` in front again; what lay there comes next."""
        self.skipped = [each for each in self.skipped if each.name != pair.name]
        self.waiting = [each for each in self.waiting if each.name != pair.name]
        if self.current is not None and self.current.name != pair.name:
            self.waiting.insert(0, self.current)
        self.current = pair
        self.last_was_skip = False
        self._turn(note)

    def look_again(self) -> None:
        """Bring back what was put aside."""
        self.waiting, self.skipped = [*self.waiting, *self.skipped], []
        self.last_was_skip = False

    def _turn(self, note: str = "") -> None:
        self.turn += 1
        self.note = note


def _shuffled(name: PairKey, reviewer: str) -> bytes:
    text = repr((name.exchange_id, reviewer))
    return blake2b(text.encode(errors="surrogatepass"), digest_size=8, person=b"shadow-desk").digest()
