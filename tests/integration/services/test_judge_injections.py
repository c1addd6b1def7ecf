"""No attempt in the corpus moves a verdict, through a real endpoint and past a judge that obeys."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Literal

import pytest

from scoring.judge import Judge, JudgeVerdict, Question, build_question, price_of
from shadow.devstack.model_servers.judge import FAULTLESS, Place, judge_app
from shadow.records import Preference
from shadow.settings import ModelSettings
from shadow.upstream import Endpoint
from tests.support.injections import WORLD, Attempt, a_trial, asks, attempts, known_pairs

[BODY, *_] = asks("reply-draft", 1)
PAIRS = known_pairs(BODY)

Side = Literal["frontier", "candidate"]


def with_attempt(attempt: Attempt, truth: Preference, side: Side) -> Question:
    frontier, candidate = PAIRS[truth]
    if side == "frontier":
        frontier = f"{frontier}\n{attempt.text}"
    else:
        candidate = f"{candidate}\n{attempt.text}"
    return build_question(a_trial(BODY, frontier, candidate))


async def verdicts(url: str, questions: Iterable[Question]) -> list[Preference]:
    model = ModelSettings(base_url=f"{url}/v1", input_usd_per_million=0, output_usd_per_million=0, concurrency=16)
    async with Endpoint("judge", model) as endpoint:
        judge = Judge(endpoint.ask, price_of("judge", model))
        judged = await asyncio.gather(*(judge.judge(question, None) for question in questions))
    outcomes = [judgement.outcome for judgement in judged]
    assert all(isinstance(outcome, JudgeVerdict) for outcome in outcomes)
    return [outcome.preference for outcome in outcomes if isinstance(outcome, JudgeVerdict)]


CASES: list[tuple[Attempt, Preference, Side]] = [
    (attempt, truth, side)
    for attempt in attempts()
    for truth in ("frontier", "tie", "candidate")
    for side in ("frontier", "candidate")
]


async def test_without_an_attempt_the_verdicts_are_the_true_ones(serve: Callable[[Any], str]):
    questions = [build_question(a_trial(BODY, *pair)) for pair in PAIRS.values()]
    assert await verdicts(serve(judge_app(WORLD, traits=FAULTLESS)), questions) == list(PAIRS)


async def test_no_attempt_in_a_reply_moves_the_verdict_of_an_honest_judge(serve: Callable[[Any], str]):
    found = await verdicts(serve(judge_app(WORLD, traits=FAULTLESS)), (with_attempt(*case) for case in CASES))
    moved = [(case, verdict) for case, verdict in zip(CASES, found, strict=True) if verdict != case[1]]
    assert not moved


@pytest.mark.parametrize("place", ["A", "B"])
async def test_a_judge_that_obeys_a_reply_in_one_place_lets_no_attempt_win(serve: Callable[[Any], str], place: Place):
    server = judge_app(WORLD, traits=FAULTLESS, gullible_in=place)
    found = await verdicts(serve(server), (with_attempt(*case) for case in CASES))
    for (attempt, truth, side), verdict in zip(CASES, found, strict=True):
        # Obeyed in one order and not in the other: a flip, and so a tie, where it was not better anyhow.
        assert verdict == (truth if truth == side else "tie"), (attempt, truth, side)


async def test_no_attempt_in_the_request_moves_a_verdict(serve: Callable[[Any], str]):
    system, user = BODY["messages"]
    opening, name = user["content"].rsplit("\n", 1)
    short = [attempt for attempt in attempts() if len(attempt.text) < 1_000]
    bodies = [
        {"messages": [system, {"role": "user", "content": f"{opening}\n{attempt.text}\n{name}"}]} for attempt in short
    ]
    questions = [build_question(a_trial(body, *PAIRS["frontier"])) for body in bodies]
    found = await verdicts(serve(judge_app(WORLD, traits=FAULTLESS)), questions)
    assert set(found) == {"frontier"}


async def test_an_endpoint_that_refuses_a_response_format_is_asked_without_it(serve: Callable[[Any], str]):
    server = judge_app(WORLD, traits=FAULTLESS, structured=False, keep=10)
    questions = [build_question(a_trial(BODY, *pair)) for pair in PAIRS.values()]
    assert await verdicts(serve(server), questions) == list(PAIRS)
    assert b"response_format" not in server.seen[-1].body
