"""A judge at work: each pair asked twice with the places exchanged, and read without guessing."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from scoring.judge import answer, prompt
from scoring.judge.answer import MAX_REASON_CHARS, Answer, Better, UnreadableAnswerError
from scoring.judge.pricing import MAX_ANSWER_TOKENS, Price
from scoring.judge.render import Question
from shadow.records import Preference, Reply

#: Asks a model: a request's body without the model's name, to its reply. Never raises for an endpoint's fault.
Ask: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Reply]]

#: So often an order is asked, until there is an answer that can be read.
MAX_ATTEMPTS: Final = 3

#: How to ask, the best way first. Simple endpoints refuse a response format, and reasoning models
#: a temperature and a limit of tokens.
_STEADY: Final[dict[str, Any]] = {"temperature": 0, "max_tokens": MAX_ANSWER_TOKENS}
_SHAPED: Final[dict[str, Any]] = {"response_format": prompt.RESPONSE_FORMAT}
PARAMETER_VARIANTS: Final[tuple[dict[str, Any], ...]] = ({**_STEADY, **_SHAPED}, _STEADY, _SHAPED, {})

#: Statuses by which an endpoint says that this request is wrong for it, and not that we are.
_WRONG_REQUEST: Final = (400, 413, 422)
#: Why there was no answer, when asking later may bring one.
_PASSING: Final = ("timeout", "endpoint_error", "rate_limited", "interrupted")


@dataclass(frozen=True, kw_only=True)
class JudgeVerdict:
    """What the judge prefers. `first` and `second` are its answers to the two orders."""

    preference: Preference
    first: Preference
    second: Preference
    reason: str


@dataclass(frozen=True, kw_only=True)
class JudgeFailure:
    """No verdict, and why, in one word and in more. `retryable`: the pair may be judged later."""

    reason: str
    detail: str
    retryable: bool


@dataclass(slots=True)
class CostMeter:
    """Calls made so far, and what they cost (nanodollars)."""

    calls: int = 0
    cost_nanousd: int = 0


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What has come of one question, and what it cost (nanodollars)."""

    outcome: JudgeVerdict | JudgeFailure
    calls: int = 0
    cost_nanousd: int = 0


SAME: Final = Judgement(
    outcome=JudgeVerdict(preference="tie", first="tie", second="tie", reason="Both replies say the same.")
)
_CUT: Final = Judgement(
    outcome=JudgeFailure(
        reason="too_long", detail="the replies differ only where they are too long to show", retryable=False
    )
)


def free(question: Question) -> Judgement | None:
    """What can be said without asking anybody: identical replies are a tie. None where a judge is needed."""
    return _CUT if question.cut else SAME if question.same else None


class Judge:
    """One model as a judge. It remembers which way of asking its endpoint accepts.

    `proven` is true once it gave an answer that could be read: from then on, an endpoint that
    calls a request wrong means that request, and not how it was set up.
    """

    def __init__(self, ask: Ask, price: Price) -> None:
        self._ask = ask
        self._price = price
        self._way = 0
        self.proven = False

    def estimated_cost(self, question: Question, rubric: str | None) -> int:
        """Nanodollars that two calls about `question` cost, guessed from above.

        Answers that cannot be read make it more, but never more than MAX_ATTEMPTS times as much.
        """
        asked = [prompt.messages(question, rubric, swapped=swapped) for swapped in (False, True)]
        return sum(map(self._price.upper_bound, asked))

    async def judge(self, question: Question, rubric: str | None, bill: CostMeter | None = None) -> Judgement:
        """The verdict, or why there is none. Raises nothing but cancellation.

        `bill` grows with each call, so that it is known also after a cancellation.
        """
        if (known := free(question)) is not None:
            return known
        bill = CostMeter() if bill is None else bill
        try:
            answers = [await self._answer(question, rubric, swapped=swapped, bill=bill) for swapped in (False, True)]
        except _NoAnswerError as fault:
            return Judgement(outcome=fault.unjudged, calls=bill.calls, cost_nanousd=bill.cost_nanousd)
        first, second = _meant(answers[0].better, swapped=False), _meant(answers[1].better, swapped=True)
        reason = answers[0].reason
        if first != second:
            reason = f"{first}, and {second} with the places exchanged: {reason} / {answers[1].reason}"[
                :MAX_REASON_CHARS
            ]
        verdict = JudgeVerdict(
            preference=first if first == second else "tie", first=first, second=second, reason=reason
        )
        return Judgement(outcome=verdict, calls=bill.calls, cost_nanousd=bill.cost_nanousd)

    async def _answer(self, question: Question, rubric: str | None, *, swapped: bool, bill: CostMeter) -> Answer:
        """The answer to one order. Raises _NoAnswerError; each try is made with a new marker word."""
        for tries_left in reversed(range(MAX_ATTEMPTS)):
            reply = await self._put(prompt.messages(question, rubric, swapped=swapped), bill)
            try:
                read = answer.read(reply)
            except UnreadableAnswerError as fault:
                final = fault.reason in _PASSING or fault.reason == "rejected" or not tries_left
                if final:
                    unjudged = JudgeFailure(reason=fault.reason, detail=str(fault), retryable=self._may_pass(reply))
                    raise _NoAnswerError(unjudged) from None
            else:
                self.proven = True
                return read
        raise AssertionError("the last try returns or raises")

    async def _put(self, messages: list[dict[str, str]], bill: CostMeter) -> Reply:
        """Ask in the way that is known to be accepted, else in the first that is."""
        for way in range(self._way, len(PARAMETER_VARIANTS)):
            bill.calls += 1
            try:
                reply = await self._ask({"messages": messages, **PARAMETER_VARIANTS[way]})
            except asyncio.CancelledError:
                bill.cost_nanousd += self._price.upper_bound(messages)
                raise
            bill.cost_nanousd += self._price.of(reply, messages)
            if reply.status == 200:
                self._way = max(self._way, way)
            if reply.status not in _WRONG_REQUEST:
                break
        return reply

    def _may_pass(self, reply: Reply) -> bool:
        if reply.failure == "rejected":
            return not (self.proven and reply.status in _WRONG_REQUEST)
        return reply.failure in _PASSING


class _NoAnswerError(Exception):
    def __init__(self, unjudged: JudgeFailure) -> None:
        super().__init__(unjudged.reason)
        self.unjudged = unjudged


def _meant(better: Better, *, swapped: bool) -> Preference:
    if better == "tie":
        return "tie"
    return "frontier" if (better == "A") != swapped else "candidate"
