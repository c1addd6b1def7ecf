"""What the tape keeps of an answer, and what it asks of the budget for it."""

from hypothesis import given
from hypothesis import strategies as st

from shadow.capture import tape as tapes
from shadow.capture.tape import Tape


class Budget:
    def __init__(self, size: int) -> None:
        self.left = size

    def reserve(self, size: int) -> bool:
        if size > self.left:
            return False
        self.left -= size
        return True

    def release(self, size: int) -> None:
        self.left += size


def taped(pieces: list[bytes], budget: Budget) -> Tape:
    tape = Tape(lambda *_: None, (), {}, budget)
    for piece in pieces:
        tape.add(piece)
    return tape


@given(st.lists(st.binary(max_size=9_000), max_size=30), st.integers(0, 200_000))
def test_what_is_kept_is_the_beginning_of_the_answer_or_nothing_and_the_budget_knows_of_it(pieces, size):
    budget = Budget(size)
    tape = taped(pieces, budget)
    kept = [piece for piece, _ in tape.pieces]
    assert kept == ([] if tape.refused else pieces)
    assert sum(map(len, kept)) <= size - budget.left
    tape.end()
    tape.end()
    assert budget.left == size


def test_behind_a_piece_that_is_left_out_there_is_no_other_however_small(monkeypatch):
    monkeypatch.setattr(tapes, "LIMIT_BYTES", 1_000)
    tape = taped([b"a" * 500, b"b" * 500, b"c"], Budget(10**6))
    assert [piece for piece, _ in tape.pieces] == [b"a" * 500]
    assert tape.cut


def test_an_answer_for_which_there_is_no_room_takes_none():
    budget = Budget(2**14)
    tape = taped([b"a" * 10_000, b"b" * 10_000, b"c"], budget)
    assert (tape.refused, tape.pieces) == (True, [])
