"""Replies that a pairs file lacks, asked of a real endpoint while the file is being read."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from shadow.cli.replay.models import ReplayModels
from shadow.devstack.services.processes import poll_until
from shadow.pairs_file import RecordedPair, trials
from shadow.records import Exchange, Reply, Role
from shadow.settings import ModelSettings, Settings
from tests.support.scripted import STREAMED, ScriptedEndpoint, chat, chunks

ROLES: tuple[Role, ...] = ("frontier", "candidate")
FRONTIER = Reply(model="big", content="refund")


def line(number: int, **changes: Any) -> RecordedPair:
    at = datetime(2026, 9, 1, tzinfo=UTC)
    not_asked = Reply(model="", failure="not_asked", failure_detail="not_recorded")
    exchange = Exchange(id=f"t/{number}", task="t", at=at, request={"messages": []}, reply=not_asked)
    given: dict[str, Any] = {"candidate_name": "", "frontier": FRONTIER, "candidate": None, "ceiling": None}
    return RecordedPair(number=number, exchange=exchange, **(given | changes))


@pytest.fixture
def asking(serve: Callable[[Any], str]) -> Callable[..., ReplayModels]:
    """`asking(endpoint, role=name)` asks that endpoint, one request at a time."""

    def asks(endpoint: ScriptedEndpoint, **names: str) -> ReplayModels:
        url = f"{serve(endpoint)}/v1"
        models = {name: ModelSettings(base_url=url, concurrency=1) for name in names.values()}
        return ReplayModels(Settings(models=models), {role: names[role] for role in ROLES if role in names})

    return asks


def test_a_slow_consumer_of_the_lines_delays_no_request(asking: Callable[..., ReplayModels]):
    endpoint = ScriptedEndpoint([chat("refund")])
    with asking(endpoint, candidate="tiny") as live:
        lines = live.complete(line(number) for number in range(4))
        next(lines)
        # The second line's request is sent already, although no further line has been taken.
        poll_until(lambda: len(endpoint.requests) == 2, timeout=10.0)
        assert [found.candidate.content for found in lines if isinstance(found, RecordedPair) and found.candidate] == [
            "refund"
        ] * 3
    assert live.asked == len(endpoint.requests) == 4


def test_what_the_candidate_cannot_serve_is_not_asked(asking: Callable[..., ReplayModels]):
    endpoint = ScriptedEndpoint([chat("refund")])
    state = line(1)
    state = msgspec.structs.replace(
        state, exchange=msgspec.structs.replace(state.exchange, request={"input": "x", "previous_response_id": "r"})
    )
    cut = line(2)
    cut = msgspec.structs.replace(cut, exchange=msgspec.structs.replace(cut.exchange, truncated=True, cut=("request",)))
    with asking(endpoint, candidate="tiny") as live:
        found = [each.candidate for each in live.complete([state, cut]) if isinstance(each, RecordedPair)]
        assert live.asked == 0
    assert [reply and reply.ineligible for reply in found] == ["provider_state", "prompt_cut"]
    assert endpoint.requests == []


def test_no_more_is_asked_ahead_than_the_endpoint_takes_at_once(asking: Callable[..., ReplayModels]):
    endpoint = ScriptedEndpoint([chat("refund")])
    taken = []

    def file():
        for number in range(50):
            taken.append(number)
            yield line(number)

    with asking(endpoint, candidate="tiny") as live:
        lines = live.complete(file())
        next(lines)
        assert taken == [0, 1]
        lines.close()  # type: ignore[attr-defined]
    assert len(endpoint.requests) <= 2


def test_a_ceiling_without_a_candidate_lacks_nothing(asking: Callable[..., ReplayModels]):
    endpoint = ScriptedEndpoint([chat("refund")])
    alone = line(1, candidate_name="big", ceiling=Reply(model="big", content="refund"))
    with asking(endpoint, candidate="tiny") as live:
        assert list(live.complete([alone])) == [alone]
    assert endpoint.requests == []


@pytest.mark.parametrize("recorded", ["", "candidate", "small"])
def test_an_answer_bears_the_name_of_the_model_that_was_asked(asking: Callable[..., ReplayModels], recorded: str):
    with asking(ScriptedEndpoint([chat("refund")]), candidate="tiny") as live:
        (found,) = live.complete([line(1, candidate_name=recorded)])
    assert isinstance(found, RecordedPair)
    (trial,) = trials(found)
    assert (trial.candidate, trial.reply.content) == ("tiny", "refund")


def test_the_candidate_keeps_its_name_where_only_the_frontier_is_asked(asking: Callable[..., ReplayModels]):
    mine = Reply(model="small-2026", content="refund")
    with asking(ScriptedEndpoint([chat("refund")]), frontier="large", candidate="tiny") as live:
        (found,) = live.complete([line(1, candidate_name="small", candidate=mine, frontier=None)])
    assert isinstance(found, RecordedPair)
    assert (found.candidate_name, found.candidate) == ("small", mine)
    assert found.frontier is not None
    assert found.frontier.content == "refund"


def test_requests_in_flight_are_cancelled_when_the_rest_is_not_taken(asking: Callable[..., ReplayModels]):
    endpoint = ScriptedEndpoint([chat("refund"), chunks(b" ", forever=True)])
    with asking(endpoint, candidate="tiny") as live:
        lines = live.complete(line(number) for number in range(9))
        next(lines)
        poll_until(lambda: len(endpoint.requests) == 2, timeout=10.0)
    assert endpoint.hung_up.wait(10.0)


def test_labels_of_a_reply_that_was_not_there_are_dropped(asking: Callable[..., ReplayModels]):
    labelled = line(1)
    exchange = msgspec.structs.replace(labelled.exchange, label="frontier", judge="tie")
    with asking(ScriptedEndpoint([chat("refund")]), candidate="tiny") as live:
        (found,) = live.complete([msgspec.structs.replace(labelled, exchange=exchange)])
    assert isinstance(found, RecordedPair)
    assert (found.exchange.label, found.exchange.judge) == (None, None)


def test_only_the_frontier_gets_the_parameters_that_it_alone_understands(asking: Callable[..., ReplayModels]):
    request = {"messages": [], "logit_bias": {"1": -100}}
    exchange = msgspec.structs.replace(line(0).exchange, request=request)
    with asking(frontier := ScriptedEndpoint([chat("refund")]), frontier="large") as live:
        list(live.complete([msgspec.structs.replace(line(0), exchange=exchange, frontier=None)]))
    with asking(candidate := ScriptedEndpoint([chat("refund")]), candidate="tiny") as live:
        list(live.complete([msgspec.structs.replace(line(0), exchange=exchange)]))
    assert frontier.requests[0].json() == {**request, "model": "large", **STREAMED}
    assert candidate.requests[0].json() == {"messages": [], "model": "tiny", **STREAMED}


def test_a_request_that_refers_to_another_server_is_not_counted_as_asked(asking: Callable[..., ReplayModels]):
    request = {"input": "and now?", "previous_response_id": "resp_1"}
    exchange = msgspec.structs.replace(line(0).exchange, request=request, api="responses")
    with asking(candidate := ScriptedEndpoint([chat("refund")]), candidate="tiny") as live:
        (found,) = live.complete([msgspec.structs.replace(line(0), exchange=exchange)])
    assert isinstance(found, RecordedPair)
    assert found.candidate is not None
    assert (found.candidate.failure, live.asked, candidate.requests) == ("ineligible", 0, [])
