"""The records that the platform passes around: frozen values without I/O and almost without behaviour.

All fields are keyword-only, and a field at its default is not sent. The garbage collector does not track
records: they hold JSON and each other, in which there are no cycles.

One exchange goes through these types: capture makes an `Exchange`, a worker adds one or more `Trial`s,
a scorer turns each trial into a `Comparison`. A message that cannot be processed becomes a
`DeadLetter`; `CaptureCounts` counts what capture did.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

import msgspec

Role: TypeAlias = Literal["frontier", "candidate"]
TrialKind: TypeAlias = Literal["shadow", "reverse", "ceiling"]
Api: TypeAlias = Literal["chat", "responses"]
TaskKind: TypeAlias = Literal["classification", "extraction", "generation", "reasoning"]
Preference: TypeAlias = Literal["frontier", "candidate", "tie"]
Modality: TypeAlias = Literal["text", "image", "audio", "video", "file"]
Part: TypeAlias = Literal["request", "reply"]
RegretSource: TypeAlias = Literal["human", "reference", "judge"]

#: Why a request has no usable reply. A failure never counts as a disagreement.
Failure: TypeAlias = Literal[
    "timeout",  # no complete answer before the deadline
    "endpoint_error",  # 5xx, connection refused, or a protocol error, after the last retry
    "rate_limited",  # 429 until the retry budget was spent
    "rejected",  # another 4xx: the endpoint does not accept the request
    "interrupted",  # the stream ended early, or the client disconnected
    "malformed",  # the answer is not in the format of the API or the task
    "truncated",  # the token limit ended the answer
    "refusal",  # the model declined to answer
    "empty",  # the answer has neither text nor tool calls; at most reasoning
    "expired",  # the exchange was too old for a trial; no request was sent
    "not_asked",  # no request was sent: the served reply had failed, or was not kept whole
    "ineligible",  # the model cannot serve such a request; see `Ineligibility`
]

#: Why a reply has no confidence although its model is said to report log-probabilities.
NoConfidence: TypeAlias = Literal[
    "not_reported",  # the answer has none: some servers leave them out of answers with tool calls
    "refused",  # the endpoint does not accept a request for them
    "invalid",  # a token without a log-probability, or with one that is none
    "not_aligned",  # the tokens of the answer cannot be distinguished from those of reasoning and markup
]

#: Failures that do not count against the model: it was not asked, or could not have served the request.
NOT_COUNTED: Final[tuple[Failure, ...]] = ("not_asked", "expired", "ineligible")

#: Failures of replies that arrived nevertheless, so that a person or a judge can compare them.
ARRIVED_FAILURES: Final[tuple[Failure, ...]] = ("malformed", "truncated", "refusal", "empty")

#: Why a model cannot serve a request, or cannot be asked the same.
Ineligibility: TypeAlias = Literal[
    "prompt_cut",  # the recorded request is not whole, because it was too large for its message
    "provider_state",  # it refers to what one server keeps: an earlier response, a conversation, a prompt, a file
    "builtin_tool",  # it offers a tool that one server runs: a web search, a code interpreter, an MCP connector
    "image_input",  # it holds an image, which the model cannot read; the next three likewise
    "audio_input",
    "video_input",
    "file_input",
    "audio_output",  # it asks for a spoken answer
    "context_length",  # it is longer than the model's context
    "api_unsupported",  # it uses an API that the endpoint does not have
    "tools_unsupported",  # it offers tools, and the model cannot call any
    "logprobs_unsupported",  # it asks for log-probabilities, and the endpoint reports none
    "parameter_unsupported",  # it has another parameter that the endpoint does not have
    "request_too_large",  # the endpoint accepts no body of its size
    "media_unreachable",  # an image or a file cannot be downloaded, or its address holds a secret and was redacted
]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
INELIGIBILITIES: Final[tuple[Ineligibility, ...]] = get_args(Ineligibility)

#: The beginning of the unscored reason of a pair for which the model was not eligible.
INELIGIBLE: Final = "ineligible:"


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A tool call in a reply. `arguments` is the JSON text exactly as the model wrote it."""

    name: str
    arguments: str = ""


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Token counts as reported by the endpoint; None where it did not report them (never 0).

    `completion_tokens` includes the `reasoning_tokens`, which are paid for like the answer's.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None


class TokenProbabilities(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Features of the probabilities, each in [0, 1], of the `n` tokens of an answer.

    `q0` to `q50` are quantiles: the least probability, and those that 10, 25 and 50% of the tokens do not
    exceed. `least_margin` is the least difference between the two most probable tokens of a place; None
    where the second is not known everywhere.
    """

    n: int
    q0: float
    q10: float
    q25: float
    q50: float
    least_margin: float | None = None


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A model's reply, or its failure.

    `reasoning` is the text in which a reasoning model prepared its answer, where it can be read; it is
    no part of `content`, and is neither scored nor judged. `latency_ms` is the time to the last byte,
    `ttft_ms` the time to the first token of a streamed answer, after its reasoning. `cost_usd` is None
    where the model has no known price. `confidence`, in [0, 1], is the geometric mean of the probabilities
    of the answer's tokens (for tool calls, of those of the arguments), and `token_probabilities` has more
    of them; see `shadow.openai_api.log_probabilities`. Where they were asked for and are missing,
    `confidence_reason` says why. `ineligible` is the `Ineligibility` behind the failure of that name.
    """

    model: str
    content: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    latency_ms: float | None = None
    ttft_ms: float | None = None
    cost_usd: float | None = None
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    confidence_reason: NoConfidence | None = None
    token_probabilities: TokenProbabilities | None = None
    failure: Failure | None = None
    failure_detail: str | None = None
    status: int | None = None
    ineligible: str | None = None


#: How many characters of a failure's detail are kept.
MAX_FAILURE_DETAIL: Final = 500


def with_short_detail(reply: Reply) -> Reply:
    """`reply` with its failure's detail cut to its length. To be redacted before: a key that is cut is not found."""
    detail = reply.failure_detail
    if detail is None or len(detail) <= MAX_FAILURE_DETAIL:
        return reply
    return msgspec.structs.replace(reply, failure_detail=detail[:MAX_FAILURE_DETAIL])


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One production request and the reply the user got, redacted.

    `at` is the event time (UTC) at which the request was made. `inclusion_probability`, in (0, 1], is
    the probability with which this exchange was sampled. `request` is the JSON body that the
    application sent, redacted. `reference` is the right answer and `label`/`judge` a person's/judge's
    preference, where already known; `label_probability`/`judge_probability`, in (0, 1], is the
    probability with which the pair was selected for labelling/judging.

    `truncated`: bytes were left out, because there were too many. `cut` names what is not whole for that reason, the
    request or the reply; it is None in records of older versions, see `was_cut`.
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
    cut: tuple[Part, ...] | None = None


class Trial(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Another model's reply to an exchange's request; never served.

    A trial carries its whole exchange, so nothing downstream needs a join. `candidate` names the
    model that this trial is evidence about (for a ceiling, the frontier, which was asked twice).
    `inclusion_probability` is that of the *pair*: the exchange's own, times the rate of the trial's
    kind.
    """

    exchange: Exchange
    kind: TrialKind
    candidate: str
    reply: Reply
    at: datetime
    inclusion_probability: float = 1.0


class Comparison(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The scores of one (exchange, trial) pair.

    `agreement`, `regret`, `frontier_correct` and `candidate_correct` are in [0, 1], `net_regret` in
    [-1, 1]; each is None where it is unknown. Where `agreement` is None, `unscored` is the reason in
    one stable word. `regret` comes from the strongest source (see `shadow.aggregates.regret_sources`).
    `judge_rate`, in (0, 1], is set if the pair is to be judged: the probability with which it was
    selected. `detail` describes the differences for people.
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


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A message that could not be processed, kept so that an operator can inspect it and send it again.

    `id` is the exchange's id where it could be read, else `topic/partition/offset`.
    `payload` is the received message (base64 on the wire), truncated to a bounded length.
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


class CaptureCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The counts of one capturing process since its start: cumulative, so resending them is safe.

    `counts[task][outcome]`, with outcomes `accepted`, `mirrored`, `sampled_out` and
    `dropped:<reason>`. `accepted = mirrored + dropped + still queued` holds in every snapshot.
    """

    source: str
    at: datetime
    counts: dict[str, dict[str, int]]


def frontier_reply(trial: Trial) -> Reply:
    """The frontier's reply of a pair, whichever model served the user."""
    return trial.exchange.reply if trial.kind != "reverse" else trial.reply


def candidate_reply(trial: Trial) -> Reply:
    """The candidate's reply of a pair; for a ceiling, the frontier's second reply."""
    return trial.reply if trial.kind != "reverse" else trial.exchange.reply


def arrived(failure: str | None) -> bool:
    """Whether there is a reply to look at, with this failure or without any."""
    return failure is None or failure in ARRIVED_FAILURES


def was_cut(exchange: Exchange, part: Part) -> bool:
    """Whether something was left out of this part. Records of older versions do not say which part it was."""
    if exchange.cut is not None:
        return part in exchange.cut
    return exchange.truncated and part == "request"


def is_failure(failure: Failure | None) -> bool:
    """Whether this counts against the model."""
    return failure is not None and failure not in NOT_COUNTED


def is_ineligible(unscored: str) -> bool:
    """Whether this unscored reason says that the model was not eligible."""
    return unscored.startswith(INELIGIBLE)
