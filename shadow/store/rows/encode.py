"""Records as rows, and which records no row can hold.

PostgreSQL keeps no NUL in text, UTF-8 no lone surrogate, and an index no kilobytes. Names and
ids are mended, the same way wherever they come from, so that the accounting never loses an
exchange; content is refused, because mended content would be evidence about something else.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from shadow.aggregates.counting import PairFacts, pair_facts
from shadow.aggregates.tally import utc
from shadow.records import Comparison, DeadLetter, Trial, candidate_reply, frontier_reply
from shadow.store.rows.names import PairKey, digest, storable_name, storable_text, unstorable
from shadow.store.rows.outcome import PLACEHOLDER_REASONS

#: Rarer pairs than one in a billion are a mistake in the rate, and their weights meaningless.
SMALLEST_PROBABILITY: Final = 1e-9

#: A reply that costs more is a mistake in its price.
MOST_USD: Final = 1e6

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
    facts: PairFacts
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
            facts = pair_facts(trial, comparison)
            row = pair_row(trial, comparison, facts)
            key = PairKey(row.task, row.at, row.exchange_id, row.kind, row.candidate)
            known = pairs.get(key)
            if known is None or (known.row.unscored in PLACEHOLDER_REASONS and row.unscored not in PLACEHOLDER_REASONS):
                _check_numbers(row)
                payload = Payload(_encode(trial.exchange), _encode(trial.reply), _encode(comparison.detail))
                pairs[key] = EncodedPair(trial, comparison, facts, row, payload)
        except ValueError as fault:
            refused[trial.exchange.id] = str(fault)
    if refused:
        raise unstorable(refused)
    return {key: pairs[key] for key in sorted(pairs)}


def pair_row(trial: Trial, comparison: Comparison, facts: PairFacts) -> PairRow:
    exchange, frontier, candidate = trial.exchange, frontier_reply(trial), candidate_reply(trial)
    # What counts for nothing, such as a preference between replies that never came, is not kept
    # here either: a row says what its cells have counted.
    human = exchange.label if "human" in facts.nets else None
    judge = exchange.judge if "judge" in facts.nets else None
    return PairRow(
        task=storable_name(exchange.task),
        at=utc(exchange.at),
        exchange_id=storable_name(exchange.id),
        kind=trial.kind,
        candidate=storable_name(trial.candidate),
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


def dead_letter_row(letter: DeadLetter) -> dict[str, Any]:
    """A row of `dead_letters`, whatever the letter holds: it must not fail where its message did."""
    return {
        "id": storable_name(letter.id),
        "topic": storable_name(letter.topic),
        "partition": letter.partition,
        "offset": letter.offset,
        "at": utc(letter.at),
        "task": storable_name(letter.task),
        "stage": letter.stage,
        "reason": storable_name(letter.reason),
        "detail": storable_text(letter.detail),
        "payload": "\\x" + letter.payload.hex(),
    }


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
