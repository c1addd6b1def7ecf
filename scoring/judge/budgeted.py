"""Judge questions within a budget: from cached verdicts, without asking, or by calls that are paid for.

The judge service and `shadow replay --judge` both judge through `judge_batch`. They differ in their
`VerdictStore`: the service's records verdicts and spending with the pairs, the replay's only caches verdicts.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from scoring.judge.judge import (
    MAX_ATTEMPTS,
    CostMeter,
    Judge,
    JudgeFailure,
    Judgement,
    JudgeVerdict,
    judge_without_asking,
)
from scoring.judge.pricing import NANOS_PER_USD
from scoring.judge.prompt import digest
from scoring.judge.render import Question


@dataclass(frozen=True, kw_only=True)
class JudgeRequest:
    """A question to judge, the digest under which its verdict is cached, and the calls made about it."""

    question: Question
    rubric: str | None
    digest: str
    meter: CostMeter = field(default_factory=CostMeter)

    @staticmethod
    def of(question: Question, rubric: str | None, *, model: str) -> "JudgeRequest":
        """The request to the judge that is called `model` at its endpoint."""
        return JudgeRequest(question=question, rubric=rubric, digest=digest(question, rubric, model=model))


@dataclass(frozen=True, kw_only=True)
class JudgedBatch:
    """The outcome of a batch of requests.

    `judgements` has, by digest, the outcomes of those that were cached, needed no call, or were `asked` and
    answered. `unaffordable` are those for which the budget had no room. `reserved_nanousd` was reserved for
    the calls before they were made.
    """

    requests: Sequence[JudgeRequest]
    judgements: Mapping[str, Judgement]
    asked: Sequence[JudgeRequest]
    unaffordable: Sequence[JudgeRequest]
    reserved_nanousd: int

    @property
    def calls(self) -> int:
        return sum(request.meter.calls for request in self.asked)

    @property
    def cost_nanousd(self) -> int:
        return sum(request.meter.cost_nanousd for request in self.asked)

    def verdict(self, digest: str) -> JudgeVerdict | None:
        judgement = self.judgements.get(digest)
        return judgement.outcome if judgement and isinstance(judgement.outcome, JudgeVerdict) else None

    def failure(self, digest: str) -> JudgeFailure | None:
        judgement = self.judgements.get(digest)
        return judgement.outcome if judgement and isinstance(judgement.outcome, JudgeFailure) else None


class VerdictStore(Protocol):
    """Keeps verdicts and spending between batches. Its methods may block: they are called in threads."""

    def cached(self, digests: Collection[str]) -> Mapping[str, JudgeVerdict]:
        """The verdicts that are known from earlier batches, by digest."""

    def reserve(self, cost_nanousd: int) -> None:
        """Record the estimated cost of calls that are about to be made."""

    def save(self, batch: JudgedBatch) -> None:
        """Keep the verdicts of `batch`, and its cost in place of what was reserved for it."""


class Budget:
    """Nanodollars that may still be spent. The highest cost of a call is reserved before it is made."""

    def __init__(self, nanousd: int) -> None:
        self._left = nanousd
        self._reservations = 0
        self._settled = asyncio.Condition()

    @staticmethod
    def of_usd(usd: float) -> "Budget":
        return Budget(round(usd * NANOS_PER_USD))

    async def reserve(self, costs: Sequence[int]) -> int:
        """Reserve the first of `costs`, as many as there is room for; returns how many.

        If there is no room for the first, waits as long as calls of others are under way, because they
        mostly cost less than was reserved.
        """
        if not costs:
            return 0
        async with self._settled:
            await self._settled.wait_for(lambda: self._left >= costs[0] or not self._reservations)
            count = 0
            while count < len(costs) and costs[count] <= self._left:
                self._left -= costs[count]
                count += 1
            self._reservations += bool(count)
            return count

    async def settle(self, reserved: int, cost: int) -> None:
        """Replace one call's reservation by its cost."""
        async with self._settled:
            self._left += reserved - cost
            self._reservations -= 1
            self._settled.notify_all()


async def judge_batch(
    judge: Judge,
    requests: Sequence[JudgeRequest],
    *,
    budget: Budget,
    store: VerdictStore | None,
    stopping: asyncio.Event | None = None,
) -> JudgedBatch:
    """Judge `requests` and save the outcome in `store`.

    Calls are made concurrently (the endpoint limits them). Once `stopping` is set, those under way are
    cancelled; they cost their upper bound, and have no judgement. Raises what `store` raises.
    """
    judgements: dict[str, Judgement] = {}
    for request in requests:
        if (known := judge_without_asking(request.question)) is not None:
            judgements[request.digest] = known
    unknown = [request for request in requests if request.digest not in judgements]
    if store is not None and unknown:
        cached = await asyncio.to_thread(store.cached, [request.digest for request in unknown])
        judgements |= {digest: Judgement(outcome=verdict) for digest, verdict in cached.items()}
        unknown = [request for request in unknown if request.digest not in judgements]
    estimates = [judge.estimated_cost(request.question, request.rubric) for request in unknown]
    affordable = await budget.reserve([MAX_ATTEMPTS * estimate for estimate in estimates])
    asked, reserved = unknown[:affordable], sum(estimates[:affordable])
    if asked:
        try:
            if store is not None:
                await asyncio.to_thread(store.reserve, reserved)
            judgements |= await _ask_all(judge, asked, stopping or asyncio.Event())
        finally:
            await budget.settle(MAX_ATTEMPTS * reserved, sum(request.meter.cost_nanousd for request in asked))
    batch = JudgedBatch(
        requests=requests,
        judgements=judgements,
        asked=asked,
        unaffordable=unknown[affordable:],
        reserved_nanousd=reserved,
    )
    if store is not None:
        await asyncio.to_thread(store.save, batch)
    return batch


async def _ask_all(judge: Judge, requests: Sequence[JudgeRequest], stopping: asyncio.Event) -> dict[str, Judgement]:
    """The judgements by digest, without those that were cancelled because `stopping` was set."""
    calls = [asyncio.create_task(judge.judge(each.question, each.rubric, each.meter)) for each in requests]
    stop = asyncio.create_task(stopping.wait())
    try:
        waiting: set[asyncio.Task[Judgement]] = set(calls)
        while waiting and not stop.done():
            await asyncio.wait({*waiting, stop}, return_when=asyncio.FIRST_COMPLETED)
            waiting = {call for call in waiting if not call.done()}
    finally:
        for task in (*calls, stop):
            task.cancel()
        await asyncio.gather(*calls, stop, return_exceptions=True)
    return {each.digest: call.result() for each, call in zip(requests, calls, strict=True) if not call.cancelled()}
