"""What the gateway and its mirror process say to each other: length, then MessagePack.

The gateway sends the settings, once, and then orders: what it heard, many exchanges together,
or what it left out. The mirror process answers with its counts.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from shadow.gateway.mirror.exchange import Heard

_LENGTH: Final = struct.Struct(">I")


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """Requests the gateway left out since the last such message.

    `counts[task][outcome]`, with outcomes `sampled_out`, `dropped:<reason>`, and `accepted`
    for every one that was dropped.
    """

    counts: dict[str, dict[str, int]]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The mirror process's cumulative counts, and how much of them are the gateway's own (`Left`)."""

    counts: dict[str, dict[str, int]]
    left: dict[str, dict[str, int]]


_encode = msgspec.msgpack.Encoder().encode
decode_order = msgspec.msgpack.Decoder(list[Heard] | Left).decode
decode_report = msgspec.msgpack.Decoder(Report).decode


def frame(message: list[Heard] | Left | Report) -> tuple[bytes, bytes]:
    """The two parts in which `message` is written."""
    return frame_of(_encode(message))


def frame_of(body: bytes) -> tuple[bytes, bytes]:
    """The same for a body that is bytes already (the settings, which come first of all)."""
    return _LENGTH.pack(len(body)), body


def frames(stream: BinaryIO) -> Iterator[bytes]:
    """The bodies read from a blocking stream, until it ends."""
    while len(header := stream.read(_LENGTH.size)) == _LENGTH.size:
        (length,) = _LENGTH.unpack(header)
        body = stream.read(length)
        if len(body) < length:
            return
        yield body


class Frames:
    """Bodies out of bytes that may be cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Every body that `data` completes."""
        self._rest += data
        while len(self._rest) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._rest)
            end = _LENGTH.size + length
            if len(self._rest) < end:
                return
            body, self._rest = self._rest[_LENGTH.size : end], self._rest[end:]
            yield body
