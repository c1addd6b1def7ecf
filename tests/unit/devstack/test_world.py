"""The simulated world keeps its promises: repeatable, as good as it says, weak where it says."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from shadow.devstack.simulation import accuracy, timeline, workloads
from shadow.devstack.simulation.timeline import HISTORY
from shadow.devstack.simulation.world import Ask, World, last_user_message
from shadow.records import Reply, Role
from shadow.redact import Redactor

NOW = datetime(2026, 9, 22, 12, tzinfo=UTC)
WORLD = World(now=NOW)
COUNT = 6_000


@pytest.fixture(scope="module")
def history() -> list[Ask]:
    return [WORLD.ask(index, at) for index, at in enumerate(WORLD.schedule(COUNT, NOW - HISTORY, NOW))]


def _is_right(ask: Ask, reply: Reply) -> bool:
    content = reply.content or ""
    if ask.task == "invoice-fields":
        try:
            return bool(json.loads(content) == json.loads(ask.reference or ""))
        except ValueError:
            return False
    return content.lower().rstrip(".") == ask.reference


def _accuracy(role: Role, asks: list[Ask], where: Callable[[Ask], bool]) -> float:
    graded = [_is_right(a, WORLD.reply_of(role, a.body, a.at)) for a in asks if a.reference and where(a)]
    assert len(graded) > 100
    return sum(graded) / len(graded)


def _ordinary(ask: Ask) -> bool:
    drifted = timeline.drifts(ask.task, ask.at, NOW)
    bad = (ask.task, ask.segment["locale"]) == accuracy.BAD_SEGMENT
    return not (drifted or bad or accuracy.is_night(ask.at))


def test_the_same_seed_index_and_time_make_the_same_request(history: list[Ask]) -> None:
    assert [World(now=NOW).ask(a.index, a.at) for a in history[:200]] == history[:200]
    assert World(now=NOW, seed=8).ask(0, history[0].at) != history[0]


def test_a_reply_depends_only_on_seed_role_request_and_time(history: list[Ask]) -> None:
    for ask in history[:200]:
        copy = json.loads(json.dumps(ask.body))
        assert World(now=NOW).reply_of("candidate", copy, ask.at) == WORLD.reply_of("candidate", ask.body, ask.at)


def test_the_model_and_delivery_parameters_of_a_request_do_not_change_its_reply(history: list[Ask]) -> None:
    ask = history[0]
    other = {**ask.body, "model": "another", "stream": False}
    assert WORLD.reply_of("candidate", other, ask.at) == WORLD.reply_of("candidate", ask.body, ask.at)


def test_the_reply_is_the_same_through_both_apis(history: list[Ask]) -> None:
    ask = history[0]
    as_response = {"model": "m", "input": ask.body["messages"]}
    with_parts = {
        "messages": [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in ask.body["messages"]]
    }
    reply = WORLD.reply_of("frontier", ask.body, ask.at)
    assert WORLD.reply_of("frontier", as_response, ask.at) == reply
    assert WORLD.reply_of("frontier", with_parts, ask.at) == reply


def test_the_event_time_is_read_from_the_prompt_and_not_from_the_clock(history: list[Ask]) -> None:
    for ask in history[:50]:
        later = ask.at + timedelta(days=300)
        assert WORLD.reply_of("candidate", ask.body, later) == WORLD.reply_of("candidate", ask.body, ask.at)


def test_the_frontier_is_right_as_often_as_promised(history: list[Ask]) -> None:
    assert _accuracy("frontier", history, lambda _: True) == pytest.approx(accuracy.ACCURACY["frontier"], abs=0.015)


def test_the_candidate_is_nearly_as_good_on_an_ordinary_day(history: list[Ask]) -> None:
    assert _accuracy("candidate", history, _ordinary) == pytest.approx(accuracy.ACCURACY["candidate"], abs=0.02)


def test_the_candidate_has_one_bad_segment(history: list[Ask]) -> None:
    found = _accuracy(
        "candidate",
        history,
        lambda a: (a.task, a.segment["locale"]) == accuracy.BAD_SEGMENT and not accuracy.is_night(a.at),
    )
    assert found == pytest.approx(accuracy.BAD_SEGMENT_ACCURACY, abs=0.04)


def test_the_candidate_is_worse_at_night(history: list[Ask]) -> None:
    night = _accuracy("candidate", history, lambda a: accuracy.is_night(a.at) and a.segment["locale"] != "de")
    assert night < accuracy.ACCURACY["candidate"] - 0.04


def test_the_candidate_drifts_on_one_task_in_the_last_days(history: list[Ask]) -> None:
    def invoices(ask: Ask) -> bool:
        return ask.task == timeline.DRIFTING_TASK and not accuracy.is_night(ask.at)

    since = NOW - timeline.DRIFT_LASTS
    before = _accuracy("candidate", history, lambda a: invoices(a) and a.at < since)
    after = _accuracy("candidate", history, lambda a: invoices(a) and a.at >= since)
    assert after < before - 0.2


def test_a_model_asked_twice_does_not_always_agree_with_itself(history: list[Ask]) -> None:
    tickets = [a for a in history if a.task == "ticket-intent"]
    same = [
        _is_right(a, WORLD.reply_of("frontier", a.body, a.at))
        == _is_right(a, WORLD.reply_of("frontier", a.body, a.at, attempt="2"))
        for a in tickets
    ]
    assert 0.93 < sum(same) / len(same) < 0.995


def test_two_drafts_of_a_reply_are_worded_differently_more_often_than_not(history: list[Ask]) -> None:
    drafts = [a for a in history if a.task == "reply-draft"]
    again = [WORLD.reply_of("frontier", a.body, a.at, attempt="2").content for a in drafts]
    same = [WORLD.reply_of("frontier", a.body, a.at).content == other for a, other in zip(drafts, again, strict=True)]
    assert 0.1 < sum(same) / len(same) < 0.6


def test_every_kind_of_mishap_happens_and_none_often(history: list[Ask]) -> None:
    replies = [(a, WORLD.reply_of("candidate", a.body, a.at)) for a in history]
    truncated = sum(r.failure == "truncated" and r.finish_reason == "length" for _, r in replies)
    declined = sum("can't help" in (r.content or "") for _, r in replies)
    broken = sum(a.task == "invoice-fields" and (r.content or "").endswith("…") for a, r in replies)
    slow = sum((r.latency_ms or 0) > 1_500 for _, r in replies)
    for count in (truncated, declined, broken, slow):
        assert 1 <= count < COUNT * 0.03
    refused = [r for a in history if (r := WORLD.reply_of("frontier", a.body, a.at)).failure == "refusal"]
    assert refused
    assert all(r.content is None and r.refusal for r in refused)


def test_the_candidate_is_faster_and_every_reply_has_its_figures(history: list[Ask]) -> None:
    def median(role: Role) -> float:
        replies = [WORLD.reply_of(role, a.body, a.at) for a in history[:1_000]]
        assert all(r.usage and r.usage.prompt_tokens and r.usage.completion_tokens for r in replies)
        assert all(0 < (r.ttft_ms or 0) < (r.latency_ms or 0) for r in replies)
        return sorted(r.latency_ms or 0 for r in replies)[500]

    assert 500 < median("frontier") < 1_300
    assert 100 < median("candidate") < 400


def test_traffic_has_a_daily_and_a_weekly_wave(history: list[Ask]) -> None:
    by_hour = Counter(a.at.hour for a in history)
    assert by_hour[14] > 4 * by_hour[2]
    by_weekday = Counter(a.at.weekday() for a in history)
    assert by_weekday[2] > 1.5 * by_weekday[6]


def test_the_schedule_is_exact_ordered_and_within_its_bounds() -> None:
    start, end = NOW - timedelta(hours=5, minutes=7), NOW
    for count in (0, 1, 7, 1_000):
        times = list(WORLD.schedule(count, start, end))
        assert len(times) == count
        assert times == sorted(times)
        assert all(start <= at < end for at in times)


def test_every_task_and_segment_occurs_and_the_mix_shifts_in_the_last_week(history: list[Ask]) -> None:
    assert {a.task for a in history} == set(workloads.KINDS)
    assert {a.segment["plan"] for a in history} == {"free", "pro", "enterprise"}

    def portuguese(asks: list[Ask]) -> float:
        return sum(a.segment["locale"] == "pt" for a in asks) / len(asks)

    late = NOW - timedelta(days=7)
    assert portuguese([a for a in history if a.at >= late]) > 1.5 * portuguese([a for a in history if a.at < late])


def test_in_the_last_week_one_task_is_served_by_the_candidate_to_the_share_of_its_stage(history: list[Ask]) -> None:
    tickets = [a for a in history if a.task == timeline.ROLLOUT_TASK]
    assert {a.served_by for a in history if a.task != timeline.ROLLOUT_TASK} == {"frontier"}
    assert all("stage" not in a.segment for a in history if a.task != timeline.ROLLOUT_TASK)
    for stage in ("0", "10", "25"):
        reached = [a for a in tickets if a.segment["stage"] == stage]
        share = sum(a.served_by == "candidate" for a in reached) / len(reached)
        assert share == pytest.approx(int(stage) / 100, abs=0.08)
    assert [a.segment["stage"] for a in tickets] == sorted(a.segment["stage"] for a in tickets)


def test_a_user_whom_the_candidate_serves_stays_with_it(history: list[Ask]) -> None:
    served = [a for a in history if a.segment.get("stage") == "10" and a.served_by == "candidate"]
    assert served
    assert all(timeline.server(a.task, a.unit, 25) == "candidate" for a in served)


def test_without_a_rollout_the_frontier_serves_everybody(history: list[Ask]) -> None:
    world = World(now=NOW, rollout=False)
    again = [world.ask(a.index, a.at) for a in history if a.served_by == "candidate"]
    assert again
    assert all(a.served_by == "frontier" and "stage" not in a.segment for a in again)


def test_a_user_keeps_one_plan(history: list[Ask]) -> None:
    plans: dict[str, set[str]] = {}
    for ask in history:
        plans.setdefault(ask.unit, set()).add(ask.segment["plan"])
    assert all(len(found) == 1 for found in plans.values())


def test_the_headers_declare_task_segments_and_unit(history: list[Ask]) -> None:
    headers = history[0].headers()
    assert headers["x-shadow-task"] == history[0].task
    assert f"locale={history[0].segment['locale']}" in headers["x-shadow-segment"].split(",")
    assert headers["x-shadow-unit"] == history[0].unit


def test_an_invoice_that_lost_a_field_is_answered_all_the_same(history: list[Ask]) -> None:
    ask = next(a for a in history if a.task == "invoice-fields")
    system, user = ask.body["messages"]
    lines = user["content"].split("\n")
    lines[-1] = lines[-1].partition(":")[0] + ": [phone]"
    body = {"messages": [system, {**user, "content": "\n".join(lines)}]}
    assert (WORLD.reply_of("candidate", body, ask.at).content or "").startswith("[simulated-7b]")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": "hello"},
        {"messages": [None, {"role": "user"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"messages": [{"role": "system", "content": "Received 31 Feb 2026 at 10h00 UTC."}]},
        {"input": [{"role": "user", "content": "\ud800"}]},
    ],
)
def test_a_strange_request_gets_a_labelled_answer(body: dict[str, object]) -> None:
    content = WORLD.reply_of("frontier", body, NOW).content or ""
    assert content.startswith("[simulated-frontier]")


def test_the_last_message_is_the_users() -> None:
    messages = [{"role": "user", "content": "first"}, {"role": "assistant", "content": "x"}]
    assert last_user_message({"messages": [*messages, {"role": "user", "content": "last"}]}) == "last"


def test_redaction_finds_nothing_to_hide_in_this_world(history: list[Ask]) -> None:
    # Otherwise the candidate, which is asked the redacted request, could not read it.
    redactor = Redactor()
    for ask in history[:1_500]:
        assert redactor.value(ask.body) == ask.body
        for role in ("frontier", "candidate"):
            content = WORLD.reply_of(role, ask.body, ask.at).content or ""
            assert redactor.text(content) == content


def test_the_candidate_is_surer_where_it_is_right_and_the_frontier_reports_no_confidence(
    history: list[Ask],
) -> None:
    sure: dict[bool, list[float]] = {True: [], False: []}
    for ask in (ask for ask in history[:3_000] if ask.reference):
        reply = WORLD.reply_of("candidate", ask.body, ask.at)
        if reply.failure is None and reply.confidence is not None:
            sure[_is_right(ask, reply)].append(reply.confidence)
        assert WORLD.reply_of("frontier", ask.body, ask.at).confidence is None
    right, wrong = (sum(each) / len(each) for each in (sure[True], sure[False]))
    assert right > wrong + 0.05
    assert max(sure[False]) > 0.9  # too sure now and then, as real models are
