"""Scored pairs and dead letters as rows.

Names and ids that PostgreSQL cannot store are changed (see `names`). Content that it cannot store is
refused, because changed content would be evidence about something else.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from shadow.aggregates.counting import PairFacts, pair_facts
from shadow.aggregates.tally import utc
from shadow.records import Comparison, DeadLetter, Trial
from shadow.store.rows.names import PairKey, digest, storable_name, storable_text, unstorable
from shadow.store.rows.outcome import PLACEHOLDER_REASONS

#: A smaller probability is a mistake in the rate, and the weight would be meaningless.
SMALLEST_PROBABILITY: Final = 1e-9

#: Maximum cost of a reply; a higher one is a mistake in the price.
MAX_USD: Final = 1e6

_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_encoder = msgspec.json.Encoder()

Scored = tuple[Trial, Comparison]


class Arrival(NamedTuple):
    """A message on the exchanges topic: an exchange that was mirrored.

    If the message could not be read, `id` is `topic/partition/offset`, `at` the message's own time
    instead of the event time, and `task` is empty.
    """

    id: str
    task: str
    at: datetime


class PairRow(NamedTuple):
    """A new row of `comparisons`."""

    task: str
    at: datetime
    exchange_id: str
    kind: str
    candidate: str
    answered_at: datetime
    segment: bytes
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
    frontier_confidence: float | None
    candidate_confidence: float | None
    candidate_token_probabilities: bytes | None


class Payload(NamedTuple):
    """A row of `payloads` without its key: three JSON documents."""

    exchange: bytes
    reply: bytes
    detail: bytes


class EncodedPair(NamedTuple):
    """A scored trial, and its row of `comparisons`."""

    trial: Trial
    comparison: Comparison
    facts: PairFacts
    row: PairRow


def unique_pairs(scored: Iterable[Scored]) -> dict[PairKey, Scored]:
    """`scored`, by and in the order of their keys.

    Of several pairs with the same key the first one counts: a model that is asked again, after a crash,
    gives another answer. But a pair that is no placeholder replaces a placeholder.
    """
    pairs: dict[PairKey, Scored] = {}
    for pair in scored:
        trial, comparison = pair
        exchange = trial.exchange
        key = PairKey(
            storable_name(exchange.task),
            utc(exchange.at),
            storable_name(exchange.id),
            trial.kind,
            storable_name(trial.candidate),
        )
        known = pairs.get(key)
        if known is None or _replaces(comparison, known[1]):
            pairs[key] = pair
    in_order = sorted(pairs)
    return pairs if in_order == list(pairs) else {key: pairs[key] for key in in_order}  # mostly they come in order


def _replaces(comparison: Comparison, known: Comparison) -> bool:
    return known.unscored in PLACEHOLDER_REASONS and comparison.unscored not in PLACEHOLDER_REASONS


def pair_rows(pairs: Mapping[PairKey, Scored], encoded: dict[PairKey, EncodedPair]) -> Iterator[PairRow]:
    """The rows of `comparisons`, made one by one: while PostgreSQL reads a row, the next one is made.

    Each pair whose row was taken is in `encoded`. Raises UnstorableError at the end, with the id of every
    exchange whose numbers or names cannot be stored.
    """
    refused: dict[str, str] = {}
    for key, (trial, comparison) in pairs.items():
        try:
            facts = pair_facts(trial, comparison)
            row = pair_row(key, trial, comparison, facts)
            _check_numbers(row)
        except ValueError as error:
            refused[trial.exchange.id] = str(error)
        else:
            encoded[key] = EncodedPair(trial, comparison, facts, row)
            yield row
    if refused:
        raise unstorable(refused)


def payload_rows(pairs: Iterable[tuple[PairKey, EncodedPair]]) -> Iterator[tuple[Any, ...]]:
    """The rows of `payloads`, encoded one by one: while PostgreSQL reads a row, the next one is encoded.

    Raises UnstorableError at the end, with the id of every exchange whose content cannot be stored.
    """
    refused: dict[str, str] = {}
    for key, (trial, comparison, _, _) in pairs:
        detail = comparison.detail
        try:
            row = (*key, _encode(trial.exchange), _encode(trial.reply), _encode(detail) if detail else b"{}")
        except ValueError as error:
            refused[trial.exchange.id] = str(error)
        else:
            yield row
    if refused:
        raise unstorable(refused)


def pair_row(key: PairKey, trial: Trial, comparison: Comparison, facts: PairFacts) -> PairRow:
    """The row of a scored trial with the primary key `key`."""
    exchange, reply = trial.exchange, trial.reply
    frontier, candidate = (reply, exchange.reply) if trial.kind == "reverse" else (exchange.reply, reply)
    # A preference that is not counted, because one of the replies never came, is not in the row either:
    # a row has what its cells have counted.
    human = exchange.label if "human" in facts.nets else None
    judge = exchange.judge if "judge" in facts.nets else None
    judge_rate = comparison.judge_rate
    # By position, in the order of the fields: by name it takes three times as long.
    return PairRow._make((
        *key,
        utc(trial.at),
        _segments(facts.in_order),
        trial.inclusion_probability,
        comparison.scorer,
        comparison.agreement,
        comparison.unscored or (None if comparison.agreement is not None else "unknown"),
        comparison.frontier_correct,
        comparison.candidate_correct,
        comparison.regret,
        comparison.net_regret,
        comparison.regret_source,
        frontier.failure,
        candidate.failure,
        frontier.latency_ms,
        candidate.latency_ms,
        frontier.cost_usd,
        candidate.cost_usd,
        None if exchange.unit is None else digest(exchange.unit),
        human,
        None if human is None else exchange.label_probability,
        judge,
        judge_rate if judge is None else exchange.judge_probability,
        True if judge_rate is not None else None,
        frontier.confidence,
        candidate.confidence,
        None if candidate.token_probabilities is None else jsonb(_encoder.encode(candidate.token_probabilities)),
    ))  # fmt: skip


def dead_letter_row(letter: DeadLetter) -> dict[str, Any]:
    """A row of `dead_letters`, with whatever text: it must not fail like the message it is about."""
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
        if cost is not None and not 0 <= cost <= MAX_USD:
            raise ValueError(f"a cost of {cost} USD")


@lru_cache(maxsize=4096)  # most pairs share their segments
def _segments(segments: tuple[tuple[str, str], ...]) -> bytes:
    return jsonb(_encode(dict(segments)))


def jsonb(encoded: bytes) -> bytes:
    """Encoded JSON as PostgreSQL receives a `jsonb` in its binary format: behind the number of that format."""
    return b"\x01" + encoded


def _encode(value: Any) -> bytes:
    try:
        encoded = _encoder.encode(value)
    except UnicodeEncodeError:
        raise ValueError("lone surrogate, which is no text") from None
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    # Most texts have no backslash, for which a search takes a tenth of the time.
    if b"\\" in encoded and b"\\u0000" in encoded and _NUL.search(encoded):
        raise ValueError("NUL character")
    return encoded
