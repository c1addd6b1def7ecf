"""The copy that is kept of an answer while it passes through, within the publisher's byte budget."""

from time import perf_counter
from typing import Final

from shadow.openai_api.content_encoding import Piece
from shadow.recording.port import PublisherPort

#: The budget is reserved in steps of this many bytes.
_STEP_BYTES: Final = 2**13
#: Memory for a piece beside its own bytes: a tuple, a float and an object header.
_PIECE_BYTES: Final = 128


class BodyBuffer:
    """The pieces of one answer, each with the time it came: at most the first `limit` bytes.

    `cut`: the answer was longer. `refused`: the budget was exhausted, and nothing is kept. `size`
    is the memory in bytes that the pieces take.

    The reader of the answer waits for `add` at every piece, so `add` does next to nothing; limit
    and budget are checked whenever another step of the budget is needed.
    """

    size = 0
    cut = False
    refused = False
    _reserved = 0
    _free_until = 0  # `size` up to which no check is needed

    def __init__(self, limit: int, publisher: PublisherPort) -> None:
        self.limit = limit
        self.pieces: list[Piece] = []
        self._publisher = publisher

    def add(self, piece: bytes) -> None:
        """Keep a reference to the next piece."""
        size = self.size + len(piece) + _PIECE_BYTES
        if size > self._free_until and not self._reserve(size, piece):
            return
        self.size = size
        self.pieces.append((piece, perf_counter()))

    def release(self) -> None:
        """Return what was reserved, before the pieces are offered to the publisher. Twice does no harm."""
        reserved, self._reserved = self._reserved, 0
        self._free_until = 0
        if reserved:
            self._publisher.release(reserved)

    def on_cut(self) -> None:
        """Called once, when the answer proves longer than the limit."""

    def on_refused(self) -> None:
        """Called once, when the budget is exhausted."""

    def _reserve(self, size: int, piece: bytes) -> bool:
        """Whether all of `piece` may be kept, which makes `size` in all. Once it may not, no later piece may."""
        if self.cut or self.refused:
            return False
        left = self.limit - (self.size - _PIECE_BYTES * len(self.pieces)) - len(piece)
        if left < 0:
            if -left < len(piece):
                self.add(piece[:left])
            self._free_until = 0
            if not self.refused:
                self.cut = True
                self.on_cut()
            return False
        missing = max(0, size - self._reserved)
        step = (missing + _STEP_BYTES - 1) // _STEP_BYTES * _STEP_BYTES
        if step and not self._publisher.reserve(step):
            self.refused = True
            self.pieces.clear()
            self.release()
            self.on_refused()
            return False
        self._reserved += step
        self._free_until = min(self._reserved, size + left)
        return True
