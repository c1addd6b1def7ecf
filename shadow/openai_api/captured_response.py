"""What was heard of an answer, read into a `Reply`: one reading, whoever listened.

Our copy may end before the answer did, and the answer before its end. Neither is a fault of the
model's: only what was heard whole can be `malformed`, and what was heard up to the model's last
word is a reply, whatever happened after it.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from shadow.openai_api import content_encoding as codings
from shadow.openai_api import replies
from shadow.openai_api.body_buffer import Piece
from shadow.openai_api.content_encoding import UnknownCodingError
from shadow.records import Api, Failure, Reply

#: Of an error's body, so much is kept for its message.
_MESSAGE_BYTES: Final = 500


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A copy of one answer, and what is known of it.

    `pieces` are the bytes as they came over the network, at most `limit` of them, and `started`
    is when the question was put, on their clock. `cut`: the answer was longer than our copy;
    `too_long` says so to people. `broken_off`: why nothing more came, should this not be all.
    `model` is used if the answer names none.
    """

    api: Api
    model: str
    started: float
    pieces: Sequence[Piece]
    limit: int
    too_long: str
    cut: bool = False
    broken_off: tuple[Failure, str] | None = None
    status: int | None = None
    content_type: str = ""
    content_encoding: str = ""


def read(answer: Answer) -> tuple[Reply, bool]:
    """The reply, and whether our copy of it is cut short: packed, or unpacked.

    Raises UnknownCodingError where nothing in this process can unpack it.
    """
    if answer.status is not None and answer.status >= 400:
        failure = replies.failure_of_status(answer.status)
        return replies.failed(answer.model, failure, _words(answer), status=answer.status), answer.cut
    plain = codings.undone(answer.pieces, answer.content_encoding, limit=answer.limit)
    cut = answer.cut or plain.cut
    if answer.content_type.lower().startswith("text/event-stream"):
        reply, whole = replies.read_stream(answer.api, plain.pieces, started=answer.started, model=answer.model)
    else:
        body = _joined(plain.pieces)
        reply = replies.read_bytes(answer.api, body, model=answer.model)
        whole = reply.failure != "malformed" or _is_json(body)
    if whole:
        return reply, cut
    if plain.fault is not None:
        return _failed(reply, "endpoint_error", plain.fault), cut
    if cut:
        return _failed(reply, "truncated", answer.too_long), cut
    return reply if answer.broken_off is None else _failed(reply, *answer.broken_off), cut


def _words(answer: Answer) -> str:
    """How an endpoint explains its refusal, as far as that can be read."""
    try:
        plain = codings.undone(answer.pieces, answer.content_encoding, limit=_MESSAGE_BYTES)
    except UnknownCodingError as fault:
        return str(fault)
    return _joined(plain.pieces)[:_MESSAGE_BYTES].decode("utf-8", "replace")


def _joined(pieces: Iterable[Piece]) -> bytes:
    return b"".join(piece for piece, _ in pieces)


def _failed(reply: Reply, failure: Failure, detail: str) -> Reply:
    return msgspec.structs.replace(reply, failure=failure, failure_detail=detail)


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
