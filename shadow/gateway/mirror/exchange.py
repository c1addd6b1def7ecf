"""From the bytes that passed through to an Exchange. Runs away from the request path."""

from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from shadow import prices
from shadow.openai_api import captured_response
from shadow.openai_api.body_buffer import Piece
from shadow.openai_api.captured_response import Answer
from shadow.openai_api.content_encoding import UnknownCodingError
from shadow.publisher import Dropped
from shadow.records import Api, Exchange, Failure, Role
from shadow.settings import Settings

#: Who broke off an answer, or what.
Broken = Literal["client", "endpoint", "silence"]

_BROKEN: Final[dict[Broken, tuple[Failure, str]]] = {
    "client": ("interrupted", "the client hung up"),
    "endpoint": ("interrupted", "the endpoint broke off its answer"),
    "silence": ("timeout", "the endpoint fell silent in the middle of its answer"),
}


class Heard(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """All that is known of one user request once its answer has passed.

    `model` is the name in [models] that served. `started`, `ended` and the times of the `pieces`
    are on the clock of `time.perf_counter` (seconds), `at` is Unix time. `size` is what all of it
    takes of the memory, `cut` says that the answer was longer than the pieces. `status` is None
    where the client hung up before the endpoint's first byte.
    """

    id: str
    api: Api
    task: str
    arm: Role
    model: str
    segment: dict[str, str]
    unit: str | None
    request: bytes
    at: float
    started: float
    ended: float
    pieces: list[Piece]
    size: int
    probability: float
    cut: bool = False
    status: int | None = None
    content_type: str = ""
    content_encoding: str = ""
    broken: Broken | None = None
    traceparent: str | None = None


def exchange_of(heard: Heard, settings: Settings) -> Exchange | None:
    """The exchange that passed, or None for a request that is no JSON object after all.

    Raises Dropped for an answer that nothing here can unpack.
    """
    request = msgspec.json.decode(heard.request)
    if not isinstance(request, dict):
        return None
    sent_name = settings.sent_name(heard.model)
    try:
        reply, cut = captured_response.read(_answer(heard, sent_name, settings.gateway.mirror_body_bytes))
    except UnknownCodingError as fault:
        raise Dropped("unknown_coding", str(fault)) from None
    return Exchange(
        id=heard.id,
        task=heard.task,
        at=datetime.fromtimestamp(heard.at, UTC),
        request=request,
        api=heard.api,
        reply=msgspec.structs.replace(
            reply,
            latency_ms=(heard.ended - heard.started) * 1_000,
            cost_usd=prices.cost_usd(settings.models[heard.model], sent_name, reply.usage),
            status=heard.status,
        ),
        served_by=heard.arm,
        segment=heard.segment,
        unit=heard.unit,
        inclusion_probability=heard.probability,
        traceparent=heard.traceparent,
        truncated=cut,
    )


def _answer(heard: Heard, model: str, limit: int) -> Answer:
    return Answer(
        api=heard.api,
        model=model,
        started=heard.started,
        pieces=heard.pieces,
        limit=limit,
        too_long=f"larger than gateway.mirror_body_bytes ({limit}); the user got all of it",
        cut=heard.cut,
        broken_off=None if heard.broken is None else _BROKEN[heard.broken],
        status=heard.status,
        content_type=heard.content_type,
        content_encoding=heard.content_encoding,
    )
