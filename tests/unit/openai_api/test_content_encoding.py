"""Promises of undoing content codings: whatever the pieces, the same bytes, and never more than the limit."""

import gzip
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.openai_api import content_encoding as codings
from shadow.openai_api.content_encoding import Undone, UnknownCodingError, undone
from tests.support.packing import PACK


def cut(body: bytes, places: list[int]) -> list[tuple[bytes, float]]:
    """`body` cut at these places, each piece a second after the one before."""
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [(body[start:end], float(second)) for second, (start, end) in enumerate(pairwise(edges))]


def joined(plain: Undone) -> bytes:
    return b"".join(piece for piece, _ in plain.pieces)


@pytest.mark.parametrize("coding", PACK)
@given(body=st.binary(max_size=300), places=st.lists(st.integers(0, 400), max_size=8))
def test_an_answer_is_unpacked_however_it_is_cut_into_pieces(coding: str, body: bytes, places: list[int]):
    plain = undone(cut(PACK[coding](body), places), coding, limit=300)
    assert (joined(plain), plain.cut, plain.fault) == (body, False, None)


@pytest.mark.parametrize("coding", PACK)
@given(size=st.integers(0, 400), limit=st.integers(0, 400), places=st.lists(st.integers(0, 400), max_size=3))
def test_what_is_beyond_the_limit_is_cut_and_said_to_be(coding: str, size: int, limit: int, places: list[int]):
    body = b"ab" * size
    plain = undone(cut(PACK[coding](body), places), coding, limit=limit)
    assert (joined(plain), plain.cut, plain.fault) == (body[:limit], len(body) > limit, None)


@pytest.mark.parametrize("coding", PACK)
def test_each_piece_keeps_the_moment_it_came(coding: str):
    packed = PACK[coding](b"hello" * 1_000)
    plain = undone([(packed, 3.5), (b"", 9.0)], coding, limit=10_000)
    assert plain.pieces[0] == (b"hello" * 1_000, 3.5)


def test_codings_on_top_of_each_other_are_undone_from_the_last_to_the_first():
    packed = gzip.compress(zlib.compress(b"hello"))
    assert joined(undone([(packed, 0.0)], "deflate, GZIP", limit=10)) == b"hello"
    assert joined(undone([(b"hello", 0.0)], "identity", limit=10)) == b"hello"


def test_deflate_without_its_header_is_deflate_still():
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packing.compress(b"hello") + packing.flush()
    assert joined(undone(cut(packed, [1, 2, 3]), "deflate", limit=10)) == b"hello"


@pytest.mark.parametrize("coding", PACK)
def test_bytes_that_are_not_in_their_coding_say_so(coding: str):
    PACK[coding](b"")  # skips where nothing here can pack it, nor unpack it
    plain = undone([(b"{ not packed at all", 0.0)], coding, limit=100)
    assert plain.fault is not None
    assert plain.fault.startswith(f"not {coding}")


def test_a_coding_that_nobody_knows_is_named():
    with pytest.raises(UnknownCodingError, match="'compress'"):
        undone([(b"x", 0.0)], "compress", limit=10)


@pytest.mark.parametrize(("coding", "wanted"), [("br", "brotli"), ("zstd", "zstandard")])
def test_a_coding_whose_library_is_missing_says_what_would_read_it(coding: str, wanted: str, monkeypatch):
    monkeypatch.setattr(codings, "_imported", lambda _names: None)
    with pytest.raises(UnknownCodingError, match=wanted):
        undone([(b"x", 0.0)], coding, limit=10)


@pytest.mark.parametrize(
    ("coding", "library"), [("br", "brotli"), ("br", "brotlicffi"), ("zstd", "backports.zstd"), ("zstd", "zstandard")]
)
def test_any_library_that_the_process_has_will_do(coding: str, library: str, monkeypatch):
    module = pytest.importorskip(library)
    monkeypatch.setattr(codings, "_imported", lambda _names: module)
    packed = PACK[coding](b"hello" * 100)
    assert joined(undone(cut(packed, [1, 5]), coding, limit=1_000)) == b"hello" * 100
    assert undone([(packed, 0.0)], coding, limit=10).cut


def test_a_library_that_cannot_be_told_where_to_stop_is_fed_little_at_a_time():
    fed: list[bytes] = []

    def undo(data: bytes) -> bytes:
        fed.append(data)
        return data * 1_000

    bounded = codings._by_little(undo, 2)
    assert bounded(b"abcdefg", 100_000) == undo(b"ab") + undo(b"cd") + undo(b"ef") + undo(b"g")
    fed.clear()
    assert len(bounded(b"abcdefg", 3_000)) == 4_000
    assert fed == [b"ab", b"cd"]
