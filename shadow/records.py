"""The things the platform talks about, as frozen values. No I/O, no behaviour beyond naming.

Every record is keyword-only, and fields at their default stay off the wire.

Follow one exchange through the product by following these types: an `Exchange` is captured,
a worker answers it with one or more `Trial`s, a scorer turns each trial into a `Comparison`.
What could not go that way becomes a `DeadLetter`; what capture itself did is in `CaptureCounts`.
"""

from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import msgspec

Role: TypeAlias = Literal["frontier", "candidate"]
TrialKind: TypeAlias = Literal["shadow", "reverse", "ceiling"]
Api: TypeAlias = Literal["chat", "responses"]
TaskKind: TypeAlias = Literal["classification", "extraction", "generation", "reasoning"]
Preference: TypeAlias = Literal["frontier", "candidate", "tie"]
RegretSource: TypeAlias = Literal["human", "reference", "judge"]

#: Why a reply is not one: it could not be had, or cannot be read. Never a disagreement.
Failure: TypeAlias = Literal[
    "timeout",  # no (whole) answer before the deadline
    "endpoint_error",  # 5xx, connection refused, or a protocol fault, after bounded retries
    "rate_limited",  # 429 until the retry budget was spent
    "rejected",  # 4xx: the endpoint says the request is wrong for it
    "interrupted",  # a stream that broke off, or a client that hung up
    "malformed",  # an answer that is not in the API's or the task's format
    "truncated",  # stopped by the token limit
    "refusal",  # the model declined
    "empty",  # an answer with neither text nor tool calls
    "expired",  # too old when its turn came; nobody was asked
    "not_asked",  # the served reply had failed, so there was nothing to compare with
]

#: Failures for which no request was sent to the model: they say nothing about it.
NOT_SENT: Final[tuple[Failure, ...]] = ("not_asked", "expired")


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call a model asked for. `arguments` is the JSON text exactly as the model wrote it."""

    name: str
    arguments: str = ""


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens, as the endpoint counted them; None where it did not say (never 0)."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model answered, or how it failed to.

    `latency_ms` is the time to the last byte, `ttft_ms` to the first token of a stream.
    `cost_usd` is None where no price is known for the model.
    """

    model: str
    content: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    latency_ms: float | None = None
    ttft_ms: float | None = None
    cost_usd: float | None = None
    failure: Failure | None = None
    failure_detail: str | None = None
    status: int | None = None


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One production request and the reply the user got, redacted.

    `at` is the event time (UTC): when the request was made. `inclusion_probability` is the
    chance, in (0, 1], with which this exchange was chosen to be mirrored. `request` is the
    JSON body as the application sent it, without its secrets. `reference` is the right
    answer and `label`/`judge` a person's/judge's preference, where somebody already knows;
    `label_probability`/`judge_probability` is the chance, in (0, 1], of their having been asked.
    """

    id: str
    task: str
    at: datetime
    request: dict[str, Any]
    reply: Reply
    api: Api = "chat"
    served_by: Role = "frontier"
    segment: dict[str, str] = msgspec.field(default_factory=dict)
    unit: str | None = None
    inclusion_probability: float = 1.0
    reference: str | None = None
    label: Preference | None = None
    label_probability: float = 1.0
    judge: Preference | None = None
    judge_probability: float = 1.0
    traceparent: str | None = None
    truncated: bool = False


class Trial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Another model's reply to an exchange's request; never served.

    A trial carries its whole exchange, so nothing downstream needs a join. `candidate` is
    the candidate this trial is evidence about (for a ceiling: the model asked twice is the
    frontier, and `candidate` repeats its name). `inclusion_probability` is the chance that
    this *pair* exists: the exchange's own, times the rate of the trial's kind.
    """

    exchange: Exchange
    kind: TrialKind
    candidate: str
    reply: Reply
    at: datetime
    inclusion_probability: float = 1.0


class Comparison(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a scorer says of one (exchange, trial) pair.

    `agreement`, `regret`, `frontier_correct` and `candidate_correct` are in [0, 1],
    `net_regret` in [-1, 1]; each is None where it cannot be told. When `agreement` is None,
    `unscored` says why in one stable word. `regret` is what the strongest source says (see
    `shadow.aggregates.regret_sources`). `judge_rate` is set where a judge is to be asked: the chance, in (0, 1],
    with which this pair was chosen for it. `detail` holds what differed, for people to read.
    """

    scorer: str
    agreement: float | None = None
    unscored: str | None = None
    frontier_correct: float | None = None
    candidate_correct: float | None = None
    regret: float | None = None
    net_regret: float | None = None
    regret_source: RegretSource | None = None
    judge_rate: float | None = None
    detail: dict[str, Any] = msgspec.field(default_factory=dict)


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message we could not process, kept so that somebody can look and send it again.

    `id` is the exchange's id where it could be read, else `topic/partition/offset`.
    `payload` is the message as it came (base64 on the wire), cut to a bounded length.
    """

    id: str
    at: datetime
    stage: Literal["worker", "scorer"]
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    task: str = ""
    payload: bytes = b""


class CaptureCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one capturing process has done since it started: cumulative, so resending is safe.

    `counts[task][outcome]`, with outcomes `accepted`, `mirrored`, `sampled_out` and
    `dropped:<reason>`. `accepted = mirrored + dropped + still queued` holds in every snapshot.
    """

    source: str
    at: datetime
    counts: dict[str, dict[str, int]]


def frontier_reply(trial: Trial) -> Reply:
    """The frontier's side of a pair, whoever was served."""
    return trial.exchange.reply if trial.kind != "reverse" else trial.reply


def candidate_reply(trial: Trial) -> Reply:
    """The candidate's side of a pair; for a ceiling, the frontier's second answer."""
    return trial.reply if trial.kind != "reverse" else trial.exchange.reply
