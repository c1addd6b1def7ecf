"""Content encodings are decoded: whatever the pieces, to the same bytes, and never to more than the limit."""

import gzip
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.openai_api import content_encoding
from shadow.openai_api.content_encoding import Decoded, UnknownEncodingError, decode
from tests.support.packing import PACK


def cut(body: bytes, places: list[int]) -> list[tuple[bytes, float]]:
    """`body` cut at these places, each piece a second after the one before."""
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [(body[start:end], float(second)) for second, (start, end) in enumerate(pairwise(edges))]


def joined(decoded: Decoded) -> bytes:
    return b"".join(piece for piece, _ in decoded.pieces)


@pytest.mark.parametrize("coding", PACK)
@given(body=st.binary(max_size=300), places=st.lists(st.integers(0, 400), max_size=8))
def test_an_answer_is_decoded_however_it_is_cut_into_pieces(coding: str, body: bytes, places: list[int]):
    decoded = decode(cut(PACK[coding](body), places), coding, limit=300)
    assert (joined(decoded), decoded.cut, decoded.error) == (body, False, None)


@pytest.mark.parametrize("coding", PACK)
@given(size=st.integers(0, 400), limit=st.integers(0, 400), places=st.lists(st.integers(0, 400), max_size=3))
def test_what_is_beyond_the_limit_is_cut_and_flagged(coding: str, size: int, limit: int, places: list[int]):
    body = b"ab" * size
    decoded = decode(cut(PACK[coding](body), places), coding, limit=limit)
    assert (joined(decoded), decoded.cut, decoded.error) == (body[:limit], len(body) > limit, None)


@pytest.mark.parametrize("coding", PACK)
def test_each_piece_keeps_the_time_it_came(coding: str):
    packed = PACK[coding](b"hello" * 1_000)
    decoded = decode([(packed, 3.5), (b"", 9.0)], coding, limit=10_000)
    assert decoded.pieces[0] == (b"hello" * 1_000, 3.5)


def test_encodings_on_top_of_each_other_are_decoded_from_the_last_to_the_first():
    packed = gzip.compress(zlib.compress(b"hello"))
    assert joined(decode([(packed, 0.0)], "deflate, GZIP", limit=10)) == b"hello"
    assert joined(decode([(b"hello", 0.0)], "identity", limit=10)) == b"hello"


def test_deflate_without_a_zlib_header_is_decoded_too():
    packing = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packing.compress(b"hello") + packing.flush()
    assert joined(decode(cut(packed, [1, 2, 3]), "deflate", limit=10)) == b"hello"


@pytest.mark.parametrize("coding", PACK)
def test_bytes_that_are_not_in_their_encoding_are_reported(coding: str):
    PACK[coding](b"")  # skips where no library here encodes it
    decoded = decode([(b"{ not packed at all", 0.0)], coding, limit=100)
    assert decoded.error is not None
    assert decoded.error.startswith(f"not {coding}")


def test_an_unknown_encoding_is_named():
    with pytest.raises(UnknownEncodingError, match="'compress'"):
        decode([(b"x", 0.0)], "compress", limit=10)


@pytest.mark.parametrize(("coding", "wanted"), [("br", "brotli"), ("zstd", "zstandard")])
def test_an_encoding_whose_library_is_missing_names_the_library(coding: str, wanted: str, monkeypatch):
    monkeypatch.setattr(content_encoding, "_first_importable", lambda _names: None)
    with pytest.raises(UnknownEncodingError, match=wanted):
        decode([(b"x", 0.0)], coding, limit=10)


@pytest.mark.parametrize(
    ("coding", "library"), [("br", "brotli"), ("br", "brotlicffi"), ("zstd", "backports.zstd"), ("zstd", "zstandard")]
)
def test_any_library_that_the_process_has_will_do(coding: str, library: str, monkeypatch):
    module = pytest.importorskip(library)
    monkeypatch.setattr(content_encoding, "_first_importable", lambda _names: module)
    packed = PACK[coding](b"hello" * 100)
    assert joined(decode(cut(packed, [1, 5]), coding, limit=1_000)) == b"hello" * 100
    assert decode([(packed, 0.0)], coding, limit=10).cut


def test_a_library_without_an_output_limit_is_fed_in_small_steps():
    fed: list[bytes] = []

    def tenfold(data: bytes) -> bytes:
        fed.append(data)
        return data * 1_000

    bounded = content_encoding._in_small_steps(tenfold, 2)
    assert bounded(b"abcdefg", 100_000) == tenfold(b"ab") + tenfold(b"cd") + tenfold(b"ef") + tenfold(b"g")
    fed.clear()
    assert len(bounded(b"abcdefg", 3_000)) == 4_000
    assert fed == [b"ab", b"cd"]
