"""A judge spends no more than its budget, asks nothing twice, and says what it left out."""

import asyncio
from collections.abc import Collection, Mapping

import msgspec

from scoring.judge import (
    MAX_ATTEMPTS,
    Budget,
    Judge,
    JudgedBatch,
    JudgeRequest,
    JudgeVerdict,
    Question,
    VerdictStore,
    judge_batch,
    price_of,
)
from shadow.records import Reply
from shadow.settings import ModelSettings

PRICE = price_of("judge", ModelSettings(base_url="http://judge/v1", input_usd_per_million=3, output_usd_per_million=30))
TIE = Reply(model="judge", content='{"better": "tie"}', finish_reason="stop", status=200)


class Endpoint:
    """Answers "tie", each call for `cost_usd`, once `open` is set; counts its calls."""

    def __init__(self, *, cost_usd: float | None = None) -> None:
        self.calls = 0
        self.called = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self._reply = msgspec.structs.replace(TIE, cost_usd=cost_usd)

    async def ask(self, _body: object) -> Reply:
        self.calls += 1
        self.called.set()
        await self.open.wait()
        return self._reply


class MemoryStore(VerdictStore):
    """Verdicts and spending in memory."""

    def __init__(self) -> None:
        self.verdicts: dict[str, JudgeVerdict] = {}
        self.spent_nanousd = 0

    def cached(self, digests: Collection[str]) -> Mapping[str, JudgeVerdict]:
        return {digest: self.verdicts[digest] for digest in digests if digest in self.verdicts}

    def reserve(self, cost_nanousd: int) -> None:
        self.spent_nanousd += cost_nanousd

    def save(self, batch: JudgedBatch) -> None:
        self.spent_nanousd += batch.cost_nanousd - batch.reserved_nanousd
        for request in batch.asked:
            if verdict := batch.verdict(request.digest):
                self.verdicts[request.digest] = verdict


def a_request(number: int, candidate: str = "5") -> JudgeRequest:
    question = Question(request=f"user: question {number}", frontier="4", candidate=candidate)
    return JudgeRequest.of(question, None, model="judge")


def cost_of_one(request: JudgeRequest) -> int:
    """The highest cost of judging `request`."""
    return MAX_ATTEMPTS * Judge(Endpoint().ask, PRICE).estimated_cost(request.question, None)


async def test_a_cached_verdict_and_identical_replies_cost_no_call():
    store, endpoint = MemoryStore(), Endpoint()
    requests = [a_request(1), a_request(2, candidate="4")]
    judge = Judge(endpoint.ask, PRICE)
    for calls in (2, 2):
        batch = await judge_batch(judge, requests, budget=Budget.of_usd(1), store=store)
        assert {request.digest for request in requests} == set(batch.judgements)
        assert endpoint.calls == calls
    assert list(store.verdicts) == [requests[0].digest]


async def test_without_a_store_every_question_is_asked():
    endpoint = Endpoint()
    for _ in range(2):
        await judge_batch(Judge(endpoint.ask, PRICE), [a_request(1)], budget=Budget.of_usd(1), store=None)
    assert endpoint.calls == 4


async def test_only_what_the_budget_has_room_for_is_asked_and_the_rest_is_named():
    requests = [a_request(number) for number in range(5)]
    budget = Budget(2 * cost_of_one(requests[0]))
    batch = await judge_batch(Judge(Endpoint().ask, PRICE), requests, budget=budget, store=None)
    assert list(batch.asked) == requests[:2]
    assert list(batch.unaffordable) == requests[2:]


async def test_what_calls_did_not_cost_can_be_spent_by_others_that_waited_for_it():
    requests = [a_request(number) for number in range(3)]
    endpoint = Endpoint(cost_usd=0.0)
    budget, judge = Budget(cost_of_one(requests[0])), Judge(endpoint.ask, PRICE)
    endpoint.open.clear()
    judging = [asyncio.create_task(judge_batch(judge, [each], budget=budget, store=None)) for each in requests]
    await asyncio.sleep(0.01)
    assert endpoint.calls == 1
    endpoint.open.set()
    assert all(not batch.unaffordable for batch in await asyncio.gather(*judging))
    assert endpoint.calls == 6


async def test_the_likely_cost_is_spent_before_the_call_and_replaced_by_its_cost_afterwards():
    request, store, endpoint = a_request(1), MemoryStore(), Endpoint(cost_usd=0.001)
    endpoint.open.clear()
    judge = Judge(endpoint.ask, PRICE)
    judging = asyncio.create_task(judge_batch(judge, [request], budget=Budget.of_usd(1), store=store))
    await endpoint.called.wait()
    assert store.spent_nanousd == judge.estimated_cost(request.question, None)
    endpoint.open.set()
    await judging
    assert store.spent_nanousd == 2_000_000


async def test_asked_to_stop_it_cancels_calls_under_way_which_cost_their_upper_bound():
    request, store, endpoint, stopping = a_request(1), MemoryStore(), Endpoint(), asyncio.Event()
    endpoint.open.clear()
    judge = Judge(endpoint.ask, PRICE)
    judging = asyncio.create_task(
        judge_batch(judge, [request], budget=Budget.of_usd(1), store=store, stopping=stopping)
    )
    await endpoint.called.wait()
    stopping.set()
    batch = await judging
    assert batch.judgements == {}
    assert (batch.calls, store.spent_nanousd) == (1, batch.cost_nanousd)
    assert 0 < batch.cost_nanousd < judge.estimated_cost(request.question, None)
