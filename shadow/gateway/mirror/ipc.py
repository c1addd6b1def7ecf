"""The messages between the gateway and its mirror process: a length, then MessagePack.

The gateway sends the settings once, then batches of captured calls, and counts of what it left
out itself. The mirror process sends its own counts back.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from shadow.recording import CapturedCall

_LENGTH: Final = struct.Struct(">I")


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that the gateway did not hand over since the last such message.

    `counts[task][outcome]`, with outcomes `sampled_out`, `dropped:<reason>`, and `accepted`
    for every one that was dropped.
    """

    counts: dict[str, dict[str, int]]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The mirror process's cumulative counts, and the part of them that it was sent as `LeftOut`."""

    counts: dict[str, dict[str, int]]
    left_out: dict[str, dict[str, int]]


_encode = msgspec.msgpack.Encoder().encode
decode_to_child = msgspec.msgpack.Decoder(list[CapturedCall] | LeftOut).decode
decode_report = msgspec.msgpack.Decoder(Report).decode


def frame(message: list[CapturedCall] | LeftOut | Report) -> tuple[bytes, bytes]:
    """The two parts in which `message` is written."""
    return frame_bytes(_encode(message))


def frame_bytes(body: bytes) -> tuple[bytes, bytes]:
    """The same for a body that is encoded already (the settings, which are sent first)."""
    return _LENGTH.pack(len(body)), body


def read_frames(stream: BinaryIO) -> Iterator[bytes]:
    """The bodies read from a blocking stream, until it ends."""
    while len(header := stream.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(header)
        body = stream.read(length)
        if len(body) < length:
            return
        yield body


class FrameDecoder:
    """Splits bytes, which may be cut anywhere, into bodies."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Every body that `data` completes."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body, self._buffer = self._buffer[_LENGTH.size : end], self._buffer[end:]
            yield body
