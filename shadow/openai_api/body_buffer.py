"""The copy that is kept of an answer while it passes, as much of it as there is room for."""

from time import perf_counter
from typing import Final, Protocol, TypeAlias

#: Bytes as they came, and when they came (seconds of `time.perf_counter()`).
Piece: TypeAlias = tuple[bytes, float]

#: The budget is asked for so many bytes at a time.
_STEP_BYTES: Final = 2**13
#: What a piece costs beside its own bytes: a tuple, a number and a header.
_PIECE_BYTES: Final = 128


class Budget(Protocol):
    """Who says how much may be kept of all the answers that are still coming."""

    def reserve(self, size: int) -> bool: ...
    def release(self, size: int) -> None: ...


class Copy:
    """The pieces of one answer, each with when it came: at most the first `limit` bytes.

    `cut`: the answer was longer. `refused`: the budget was spent, and nothing is kept. `size` is
    what the copy takes of the memory.

    Somebody waits for every piece, so `add` does next to nothing; what there is to decide is
    decided whenever another step of the budget is needed.
    """

    size = 0
    cut = False
    refused = False
    _reserved = 0
    _room = 0

    def __init__(self, limit: int, budget: Budget) -> None:
        self.limit = limit
        self.pieces: list[Piece] = []
        self._budget = budget

    def add(self, piece: bytes) -> None:
        """Keep a reference to the next piece."""
        size = self.size + len(piece) + _PIECE_BYTES
        if size > self._room and not self._finds_room(size, piece):
            return
        self.size = size
        self.pieces.append((piece, perf_counter()))

    def release(self) -> None:
        """Give back what was reserved; whoever keeps the copy from now on answers for it."""
        reserved, self._reserved = self._reserved, 0
        self._room = 0
        if reserved:
            self._budget.release(reserved)

    def _finds_room(self, size: int, piece: bytes) -> bool:
        """Whether the whole `piece` may be kept, which makes `size` in all. Once it is not, no later one is."""
        if self.cut or self.refused:
            return False
        left = self.limit - (self.size - _PIECE_BYTES * len(self.pieces)) - len(piece)
        if left < 0:
            if -left < len(piece):
                self.add(piece[:left])
            self._room = 0
            self.cut = not self.refused
            return False
        missing = max(0, size - self._reserved)
        more = (missing + _STEP_BYTES - 1) // _STEP_BYTES * _STEP_BYTES
        if more and not self._budget.reserve(more):
            self.refused = True
            self.pieces.clear()
            self.release()
            return False
        self._reserved += more
        self._room = min(self._reserved, size + left)
        return True
