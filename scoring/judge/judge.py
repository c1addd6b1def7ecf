"""One model as a judge: each pair is asked twice with the replies' positions swapped, and answers are read strictly."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from scoring.judge import answer, prompt
from scoring.judge.answer import MAX_REASON_CHARS, Answer, Better
from scoring.judge.pricing import MAX_ANSWER_TOKENS, Price
from scoring.judge.render import Question
from shadow.records import Preference, Reply

#: Asks a model: from a request's body without the model's name to its reply. Never raises for an endpoint's error.
Ask: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Reply]]

#: How often one order of the replies is asked until an answer can be read.
MAX_ATTEMPTS: Final = 3

#: The parameters to ask with, best first. Simple endpoints refuse a response format, and reasoning models
#: a temperature and a token limit.
_DETERMINISTIC: Final[dict[str, Any]] = {"temperature": 0, "max_tokens": MAX_ANSWER_TOKENS}
_STRUCTURED: Final[dict[str, Any]] = {"response_format": prompt.RESPONSE_FORMAT}
PARAMETER_VARIANTS: Final[tuple[dict[str, Any], ...]] = (
    {**_DETERMINISTIC, **_STRUCTURED},
    _DETERMINISTIC,
    _STRUCTURED,
    {},
)

#: Statuses with which an endpoint rejects this request, rather than our key or address.
_BAD_REQUEST: Final = (400, 413, 422)
#: Failures with which an endpoint refuses the question, or its parameters.
_REFUSED: Final = ("rejected", "ineligible")
#: Failures after which asking later may bring an answer.
_TRANSIENT: Final = ("timeout", "endpoint_error", "rate_limited", "interrupted")


@dataclass(frozen=True, kw_only=True)
class JudgeVerdict:
    """Which reply the judge prefers. `first` and `second` are its answers to the two orders."""

    preference: Preference
    first: Preference
    second: Preference
    reason: str


@dataclass(frozen=True, kw_only=True)
class JudgeFailure:
    """No verdict: `reason` is one word, `detail` says more. `retryable`: the pair may be judged later."""

    reason: str
    detail: str
    retryable: bool


@dataclass(slots=True)
class CostMeter:
    """The calls made so far about one question, and what they cost in nanodollars."""

    calls: int = 0
    cost_nanousd: int = 0


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The outcome of one question, the calls it took, and what they cost in nanodollars."""

    outcome: JudgeVerdict | JudgeFailure
    calls: int = 0
    cost_nanousd: int = 0


_IDENTICAL: Final = Judgement(
    outcome=JudgeVerdict(preference="tie", first="tie", second="tie", reason="Both replies say the same.")
)
_TOO_LONG: Final = Judgement(
    outcome=JudgeFailure(
        reason="too_long", detail="the replies differ only where they are too long to show", retryable=False
    )
)


def judge_without_asking(question: Question) -> Judgement | None:
    """The outcome that needs no call: identical replies are a tie. None where a judge must be asked."""
    return _TOO_LONG if question.differs_only_in_omitted else _IDENTICAL if question.identical else None


class Judge:
    """One model as a judge. It remembers which of PARAMETER_VARIANTS its endpoint accepts.

    `proven` is true after its first readable answer. From then on, an endpoint that rejects a request
    rejects that request, and not how the judge was set up.
    """

    def __init__(self, ask: Ask, price: Price) -> None:
        self._ask = ask
        self._price = price
        self._variant = 0
        self.proven = False

    def estimated_cost(self, question: Question, rubric: str | None) -> int:
        """An upper estimate, in nanodollars, of two calls about `question`.

        Unreadable answers cost more, but never more than MAX_ATTEMPTS times as much.
        """
        chats = [prompt.messages(question, rubric, swapped=swapped) for swapped in (False, True)]
        return sum(map(self._price.upper_bound, chats))

    async def judge(self, question: Question, rubric: str | None, meter: CostMeter | None = None) -> Judgement:
        """The verdict, or why there is none. Raises nothing but cancellation.

        `meter` grows with each call, so that the cost is known also after a cancellation.
        """
        if (known := judge_without_asking(question)) is not None:
            return known
        meter = CostMeter() if meter is None else meter
        answers: list[Answer] = []
        for swapped in (False, True):
            answered = await self._answer(question, rubric, swapped=swapped, meter=meter)
            if isinstance(answered, JudgeFailure):
                return Judgement(outcome=answered, calls=meter.calls, cost_nanousd=meter.cost_nanousd)
            answers.append(answered)
        return Judgement(outcome=_verdict(*answers), calls=meter.calls, cost_nanousd=meter.cost_nanousd)

    async def _answer(
        self, question: Question, rubric: str | None, *, swapped: bool, meter: CostMeter
    ) -> Answer | JudgeFailure:
        """The answer to one order of the replies. Each attempt has a new marker word."""
        for attempts_left in reversed(range(MAX_ATTEMPTS)):
            reply = await self._call(prompt.messages(question, rubric, swapped=swapped), meter)
            read = answer.read(reply)
            if isinstance(read, Answer):
                self.proven = True
                return read
            if read.reason in _TRANSIENT or read.reason in _REFUSED or not attempts_left:
                return JudgeFailure(reason=read.reason, detail=read.detail, retryable=self._is_retryable(reply))
        raise AssertionError("the last attempt returns")

    async def _call(self, messages: list[dict[str, str]], meter: CostMeter) -> Reply:
        """Ask with the parameters that the endpoint is known to accept, else with the first that it accepts."""
        for variant in range(self._variant, len(PARAMETER_VARIANTS)):
            meter.calls += 1
            try:
                reply = await self._ask({"messages": messages, **PARAMETER_VARIANTS[variant]})
            except asyncio.CancelledError:
                meter.cost_nanousd += self._price.upper_bound(messages)
                raise
            meter.cost_nanousd += self._price.cost_of(reply, messages)
            if reply.status == 200:
                self._variant = max(self._variant, variant)
            if reply.status not in _BAD_REQUEST:
                break
        return reply

    def _is_retryable(self, reply: Reply) -> bool:
        if reply.failure in _REFUSED:
            if reply.status is None:  # not even sent: the question is longer than the model's context
                return False
            return not (self.proven and reply.status in _BAD_REQUEST)
        return reply.failure in _TRANSIENT


def _verdict(one: Answer, other: Answer) -> JudgeVerdict:
    """The verdict of both orders; a tie where the position decided."""
    first, second = _preference(one.better, swapped=False), _preference(other.better, swapped=True)
    reason = one.reason
    if first != second:
        reason = f"{first}, but {second} with the positions swapped: {reason} / {other.reason}"[:MAX_REASON_CHARS]
    return JudgeVerdict(preference=first if first == second else "tie", first=first, second=second, reason=reason)


def _preference(better: Better, *, swapped: bool) -> Preference:
    if better == "tie":
        return "tie"
    return "frontier" if (better == "A") != swapped else "candidate"
