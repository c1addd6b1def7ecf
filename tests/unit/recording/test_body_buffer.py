"""What is kept of an answer that passes through, and what that reserves of the byte budget."""

from hypothesis import given
from hypothesis import strategies as st

from shadow.capture.stream_recorder import StreamRecorder
from shadow.openai_api.content_encoding import Piece
from shadow.recording import BodyBuffer, CapturedCall, Tags
from tests.support.capturing import Collected


class Budget(Collected):
    """A publisher with `size` bytes left."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.left = size

    def reserve(self, size: int) -> bool:
        assert size > 0
        if size > self.left:
            return False
        self.left -= size
        return True

    def release(self, size: int) -> None:
        self.left += size


def copied(pieces: list[bytes], budget: Budget, *, limit: int = 10**9) -> BodyBuffer:
    copy = BodyBuffer(limit, budget)
    for piece in pieces:
        copy.add(piece)
    return copy


PIECES = st.lists(st.binary(min_size=1, max_size=9_000) | st.binary(min_size=1, max_size=40), max_size=60)


@given(PIECES, st.integers(0, 200_000), st.integers(1, 60_000))
def test_the_beginning_up_to_the_limit_is_kept_or_nothing_and_the_budget_counts_it(pieces, size, limit):
    budget = Budget(size)
    copy = copied(pieces, budget, limit=limit)
    kept, whole = b"".join(piece for piece, _ in copy.pieces), b"".join(pieces)
    assert kept == (b"" if copy.refused else whole[:limit])
    assert not (copy.cut and copy.refused)
    if not copy.refused:
        assert copy.cut == (len(whole) > limit)
        assert len(kept) <= copy.size <= size - budget.left
    copy.release()
    copy.release()
    assert budget.left == size


@given(PIECES)
def test_pieces_are_kept_as_they_are_and_in_their_order(pieces):
    copy = copied(pieces, Budget(10**9))
    assert [piece for piece, _ in copy.pieces] == pieces
    times = [at for _, at in copy.pieces]
    assert times == sorted(times)


def test_behind_a_piece_that_is_cut_there_is_no_other_however_small():
    copy = copied([b"a" * 500, b"b" * 600, b"c"], Budget(10**6), limit=1_000)
    assert [piece for piece, _ in copy.pieces] == [b"a" * 500, b"b" * 500]
    assert copy.cut


def test_an_answer_for_which_there_is_no_room_takes_none():
    budget = Budget(2**14)
    copy = copied([b"a" * 10_000, b"b" * 10_000, b"c"], budget)
    assert (copy.refused, copy.cut, copy.pieces, budget.left) == (True, False, [], 2**14)


def recorder(publisher: Budget) -> StreamRecorder:
    pieces: list[Piece] = []
    call = CapturedCall(Tags("intent", None, {}, 1.0), "chat", b"{}", {}, 0.0, 0.0, 2, (), 200, pieces, {}, limit=10**9)
    return StreamRecorder(None, call, pieces, publisher, publisher.offer)


def test_a_stream_recorder_returns_its_reservation_with_the_offer_and_offers_once():
    class Watched(Budget):
        def offer(self, call, reserved=0):
            offered.append((len(call.pieces), call.size))
            self.release(reserved)
            return True

    budget = Watched(2**16)
    offered: list[tuple[int, int]] = []
    stream = recorder(budget)
    stream.add(b"a" * 10_000)
    assert budget.left < 2**16
    stream.end()
    stream.end()
    assert (offered, budget.left) == ([(1, 2 + 10_000 + 128)], 2**16)


def test_a_streamed_answer_without_room_is_counted_once_and_not_offered():
    budget = Budget(2**13)
    stream = recorder(budget)
    for piece in (b"a" * 10_000, b"b" * 10_000):
        stream.add(piece)
    stream.end()
    assert (budget.dropped, budget.exchanges, budget.left) == (["byte_budget"], [], 2**13)


def test_a_streamed_answer_beyond_the_limit_is_offered_as_cut():
    budget = Budget(2**20)
    stream = recorder(budget)
    stream.limit = 2 + 1_000
    stream.add(b"a" * 2_000)
    stream.end()
    (exchange,) = budget.exchanges
    assert (exchange.truncated, exchange.reply.failure) == (True, "truncated")
