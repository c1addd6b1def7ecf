"""Records as rows, and which records no row can hold.

PostgreSQL keeps no NUL in text, UTF-8 no lone surrogate, and an index no kilobytes. Names and
ids are mended, the same way wherever they come from, so that the accounting never loses an
exchange; content is refused, because mended content would be evidence about something else.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from shadow.aggregates.counting import Facts, facts_of
from shadow.aggregates.tally import utc
from shadow.errors import UnstorableError
from shadow.records import Comparison, DeadLetter, Trial, candidate_reply, frontier_reply

#: Most bytes of a name or an id, in UTF-8. Longer ones are cut; a digest of the whole keeps them
#: apart. An index row has room for 2704 bytes, and the key with the most names (of `labels`) holds
#: four of them beside a moment and the kind of the trial: 2048 bytes, and less than 100 more.
MAX_NAME: Final = 512

#: Rarer pairs than one in a billion are a mistake in the rate, and their weights meaningless.
SMALLEST_PROBABILITY: Final = 1e-9

#: A reply that costs more is a mistake in its price.
MOST_USD: Final = 1e6

#: Why a pair is unscored of which a file held one reply, and nobody was asked for the other.
UNANSWERED: Final = ("frontier_not_recorded", "candidate_not_recorded")

_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_encoder = msgspec.json.Encoder()

Scored = tuple[Trial, Comparison]


class Arrival(NamedTuple):
    """A message seen on the exchanges topic, and so an exchange that was mirrored.

    `id` is the exchange's, or `topic/partition/offset` where it could not be read; `at` its
    event time, or the message's own time; `task` is empty where unknown.
    """

    id: str
    task: str
    at: datetime


class PairKey(NamedTuple):
    """The primary key of `comparisons` and `payloads`."""

    task: str
    at: datetime
    exchange_id: str
    kind: str
    candidate: str


class PairRow(NamedTuple):
    """A row of `comparisons` as it comes."""

    task: str
    at: datetime
    exchange_id: str
    kind: str
    candidate: str
    answered_at: datetime
    segment: dict[str, str]
    inclusion_probability: float
    scorer: str
    agreement: float | None
    unscored: str | None
    frontier_correct: float | None
    candidate_correct: float | None
    regret: float | None
    net_regret: float | None
    regret_source: str | None
    frontier_failure: str | None
    candidate_failure: str | None
    frontier_latency_ms: float | None
    candidate_latency_ms: float | None
    frontier_cost_usd: float | None
    candidate_cost_usd: float | None
    unit: str | None
    human: str | None
    human_probability: float | None
    judge: str | None
    judge_probability: float | None
    judge_due: bool | None


class Payload(NamedTuple):
    """What a row of `payloads` holds beside its key, as JSON."""

    exchange: bytes
    reply: bytes
    detail: bytes


class EncodedPair(NamedTuple):
    """A scored trial on its way into the tables."""

    trial: Trial
    comparison: Comparison
    facts: Facts
    row: PairRow
    payload: Payload


def encode_pairs(scored: Iterable[Scored]) -> dict[PairKey, EncodedPair]:
    """The rows of `scored`, by and in the order of their keys.

    UnstorableError names every exchange that cannot be kept.

    Of pairs with the same key the first is taken: a model that was asked again after a crash
    answers anew, and its first answer is the one that counts. One that nobody was asked for is
    no answer.
    """
    pairs: dict[PairKey, EncodedPair] = {}
    refused: dict[str, str] = {}
    for trial, comparison in scored:
        try:
            facts = facts_of(trial, comparison)
            row = pair_row(trial, comparison, facts)
            key = PairKey(row.task, row.at, row.exchange_id, row.kind, row.candidate)
            known = pairs.get(key)
            if known is None or (known.row.unscored in UNANSWERED and row.unscored not in UNANSWERED):
                _check_numbers(row)
                payload = Payload(_encode(trial.exchange), _encode(trial.reply), _encode(comparison.detail))
                pairs[key] = EncodedPair(trial, comparison, facts, row, payload)
        except ValueError as fault:
            refused[trial.exchange.id] = str(fault)
    if refused:
        raise unstorable(refused)
    return {key: pairs[key] for key in sorted(pairs)}


def pair_row(trial: Trial, comparison: Comparison, facts: Facts) -> PairRow:
    exchange, frontier, candidate = trial.exchange, frontier_reply(trial), candidate_reply(trial)
    # What counts for nothing, such as a preference between replies that never came, is not kept
    # here either: a row says what its cells have counted.
    human = exchange.label if "human" in facts.nets else None
    judge = exchange.judge if "judge" in facts.nets else None
    return PairRow(
        task=clean(exchange.task),
        at=utc(exchange.at),
        exchange_id=clean(exchange.id),
        kind=trial.kind,
        candidate=clean(trial.candidate),
        answered_at=utc(trial.at),
        segment=facts.segments,
        inclusion_probability=trial.inclusion_probability,
        scorer=comparison.scorer,
        agreement=comparison.agreement,
        unscored=comparison.unscored or (None if comparison.agreement is not None else "unknown"),
        frontier_correct=comparison.frontier_correct,
        candidate_correct=comparison.candidate_correct,
        regret=comparison.regret,
        net_regret=comparison.net_regret,
        regret_source=comparison.regret_source,
        frontier_failure=frontier.failure,
        candidate_failure=candidate.failure,
        frontier_latency_ms=frontier.latency_ms,
        candidate_latency_ms=candidate.latency_ms,
        frontier_cost_usd=frontier.cost_usd,
        candidate_cost_usd=candidate.cost_usd,
        unit=None if exchange.unit is None else digest(exchange.unit),
        human=human,
        human_probability=None if human is None else exchange.label_probability,
        judge=judge,
        judge_probability=comparison.judge_rate if judge is None else exchange.judge_probability,
        judge_due=True if comparison.judge_rate is not None else None,
    )


def unstorable(refused: Mapping[str, str]) -> UnstorableError:
    """The error that names these exchanges, each with its reason."""
    named = "; ".join(f"{clean(name)}: {why}" for name, why in islice(refused.items(), 5))
    return UnstorableError(tuple(refused), f"{len(refused)} exchanges cannot be stored ({named})", refused)


def dead_letter_row(letter: DeadLetter) -> dict[str, Any]:
    """A row of `dead_letters`, whatever the letter holds: it must not fail where its message did."""
    return {
        "id": clean(letter.id),
        "topic": clean(letter.topic),
        "partition": letter.partition,
        "offset": letter.offset,
        "at": utc(letter.at),
        "task": clean(letter.task),
        "stage": letter.stage,
        "reason": clean(letter.reason),
        "detail": mended(letter.detail),
        "payload": "\\x" + letter.payload.hex(),
    }


def digest(words: str) -> str:
    """Sixteen letters that stand for `words`, which themselves are nobody's business or too long."""
    return blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def clean(name: str) -> str:
    """`name` as PostgreSQL can keep and index it; almost always itself."""
    if 4 * len(name) <= MAX_NAME and name.isprintable():  # no character is longer than four bytes
        return name
    whole = mended(name)
    encoded = whole.encode()
    if len(encoded) <= MAX_NAME:
        return whole
    start = encoded[: MAX_NAME - 17].decode(errors="ignore")  # without half a character at its end
    return f"{start}~{digest(name)}"


def mended(words: str) -> str:
    return words.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _check_numbers(row: PairRow) -> None:
    if not SMALLEST_PROBABILITY <= row.inclusion_probability <= 1:
        raise ValueError(f"inclusion probability {row.inclusion_probability} is not in (0, 1]")
    for probability in (row.human_probability, row.judge_probability):
        if probability is not None and not SMALLEST_PROBABILITY <= probability <= 1:
            raise ValueError(f"a label's or a verdict's probability {probability} is not in (0, 1]")
    for cost in (row.frontier_cost_usd, row.candidate_cost_usd):
        if cost is not None and not 0 <= cost <= MOST_USD:
            raise ValueError(f"a cost of {cost} USD")


def _encode(value: Any) -> bytes:
    try:
        encoded = _encoder.encode(value)
    except UnicodeEncodeError:
        raise ValueError("lone surrogate, which is no text") from None
    except (TypeError, OverflowError, RecursionError) as fault:
        raise ValueError(f"not JSON: {fault}") from None
    if b"\\u0000" in encoded and _NUL.search(encoded):
        raise ValueError("NUL character")
    return encoded
