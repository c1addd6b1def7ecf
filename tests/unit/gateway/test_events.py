import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from shadow.openai_api.sse import EventStream

STREAM = (
    b": a comment\r\n\r\n"
    b'event: message\ndata: {"a": 1}\n\n'
    b"data:no space\r\n\r\n"
    b"data: two\ndata: lines\n\n\n"
    b"id: 7\rdata: old style\r\r"
    b"data: \xf0\x9f\xa6\x8a\n\n"
    b"data: [DONE]\n\n"
)
EVENTS = [b'{"a": 1}', b"no space", b"two\nlines", b"old style", "🦊".encode(), b"[DONE]"]


def read(*chunks: bytes) -> list[bytes]:
    stream = EventStream()
    return [event for chunk in chunks for event in stream.feed(chunk)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_are_the_same_wherever_the_bytes_are_cut(cuts: list[int]):
    edges = [0, *sorted(cuts), len(STREAM)]
    assert read(*(STREAM[a:b] for a, b in pairwise(edges))) == EVENTS


def test_byte_by_byte_is_the_same_too():
    assert read(*(bytes([byte]) for byte in STREAM)) == EVENTS


def test_an_event_without_its_last_blank_line_is_no_event_and_is_left_at_the_end():
    for end in (b"", b"\n", b"\r"):
        stream = EventStream()
        assert stream.feed(b"data: first\n\ndata: last" + end) == [b"first"]
        assert stream.close() == b"last"


LINES = (
    *(b"data: x", b"data:", b"data", b" data: x", b"data :x", b"\xef\xbb\xbfdata: x"),
    *(b"event: e", b"event:", b"id: 1", b"id:", b"id: \0", b"retry: 5", b"retry: x", b": c", b"\xff", b""),
)


@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_the_events_are_those_of_the_official_client(lines: list[bytes]):
    body = b"".join(line + b"\n" for line in lines)
    theirs: list[str] = []
    try:
        theirs.extend(event.data for event in SSEDecoder().iter_bytes(iter([body])))
    except UnicodeDecodeError:
        theirs.append("not UTF-8")
    ours = [event.decode() if event != b"\xff" else "not UTF-8" for event in read(body)]
    assert ours[: len(theirs)] == theirs
    assert len(ours) == len(theirs) or "not UTF-8" in theirs


def test_a_line_that_comes_in_many_pieces_is_looked_at_once():
    """Whoever reads it holds the interpreter of the application meanwhile."""

    def seconds(pieces: int) -> float:
        tries = []
        for _ in range(5):
            started = time.process_time()
            assert read(b"data: ", *[b"x" * 100] * pieces, b"\n\n") == [b"x" * 100 * pieces]
            tries.append(time.process_time() - started)
        return min(tries)

    assert seconds(16_000) < 12 * seconds(4_000)  # four times as long, or sixteen times if looked at again and again


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_noise_never_raises(chunks: list[bytes]):
    read(*chunks)
