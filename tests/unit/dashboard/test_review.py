"""The Review page without a page: sides that tell nothing, a queue that loses nothing, chances that add up."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.views.review import blind
from dashboard.views.review import plan as review_plan
from dashboard.views.review import progress as review_progress
from dashboard.views.review.review_queue import Desk, Waiting
from scoring.judge.calibration import calibrate
from shadow.aggregates.tally import Cell, Tally
from shadow.records import Comparison, Exchange, Preference, Reply, Trial
from shadow.store.feedback.review import (
    AGREEMENT,
    DISAGREEMENT,
    JUDGED_FINE,
    JUDGED_WORSE,
    STRATA,
    Progress,
    ReviewPair,
    StratumProgress,
)
from shadow.store.read.pairs import Cursor, StoredPair
from shadow.store.rows.names import PairKey

AT = datetime(2026, 9, 21, 12, tzinfo=UTC)


def name(number: int) -> PairKey:
    return PairKey("ticket-intent", AT + timedelta(seconds=number), f"exchange-{number}", "shadow", "small-7b")


def trial(number: int = 0) -> Trial:
    exchange = Exchange(
        id=f"exchange-{number}",
        task="ticket-intent",
        at=name(number).at,
        request={},
        reply=Reply(model="m", content="of the large"),
    )
    return Trial(
        exchange=exchange, kind="shadow", candidate="small-7b", reply=Reply(model="m", content="of the small"), at=AT
    )


def offered(number: int, *, human: Preference | None = None) -> ReviewPair:
    cursor = Cursor(*name(number)[1:])
    pair = StoredPair(trial=trial(number), comparison=Comparison(scorer="exact"), cursor=cursor, human=human)
    return ReviewPair(pair, 0.5, DISAGREEMENT)


# --- which side is whose


def test_a_pair_keeps_its_sides_for_a_reviewer_and_may_change_them_for_the_next() -> None:
    first, second = ([blind.frontier_is_left(name(n), who) for n in range(400)] for who in ("Ada", "Ben"))
    assert first == [blind.frontier_is_left(name(n), "Ada") for n in range(400)]
    assert 160 < sum(first) < 240
    assert 160 < sum(a == b for a, b in zip(first, second, strict=True)) < 240


@pytest.mark.parametrize("frontier_left", [True, False])
def test_what_is_chosen_is_said_of_the_model_whose_reply_stood_there(frontier_left: bool) -> None:
    left, right = blind.sides(trial(), frontier_left=frontier_left)
    meant = {"frontier": "of the large", "candidate": "of the small"}
    assert meant[blind.preference("left", frontier_left=frontier_left)] == left
    assert meant[blind.preference("right", frontier_left=frontier_left)] == right
    assert blind.preference("tie", frontier_left=frontier_left) == "tie"


def test_sides_stay_the_same_whichever_model_was_served() -> None:
    given = trial()
    swapped = Trial(
        exchange=Exchange(
            id="exchange-0", task="ticket-intent", at=AT, request={}, reply=given.reply, served_by="candidate"
        ),
        kind="reverse", candidate="small-7b", reply=given.exchange.reply, at=AT,
    )  # fmt: skip
    assert blind.sides(swapped, frontier_left=True) == blind.sides(given, frontier_left=True)


def test_a_reply_without_text_is_said_to_be_empty() -> None:
    silent = Trial(
        exchange=trial().exchange,
        kind="shadow",
        candidate="small-7b",
        reply=Reply(model="m", content="", failure="empty"),
        at=AT,
    )
    assert blind.sides(silent, frontier_left=True) == ("of the large", blind.SILENCE)


# --- the queue


def test_each_reviewer_goes_through_the_same_pairs_in_an_order_of_their_own() -> None:
    orders = {}
    for who in ("Ada", "Ben"):
        desk = Desk(reviewer=who)
        desk.refill(offered(n) for n in range(12))
        orders[who] = [desk.take() for _ in range(12)]
        assert desk.take() is None
    assert Counter(orders["Ada"]) == Counter(orders["Ben"])
    assert orders["Ada"] != orders["Ben"]


def test_second_opinions_come_first() -> None:
    desk = Desk(reviewer="Ada")
    desk.refill([*(offered(n) for n in range(9)), offered(9, human="tie")])
    assert desk.take() == Waiting(name(9), 0.5, DISAGREEMENT, second=True)


def test_what_is_skipped_is_not_offered_again_until_asked_for() -> None:
    desk = Desk(reviewer="Ada")
    desk.refill([offered(1), offered(2)])
    skipped = desk.take()
    desk.skip()
    assert desk.take() != skipped
    desk.done()
    desk.refill([offered(1), offered(2)])
    assert skipped not in desk.waiting
    desk.look_again()
    assert skipped in desk.waiting
    assert desk.skipped == []


def test_what_is_taken_back_lies_in_front_again_and_nothing_is_lost() -> None:
    desk = Desk(reviewer="Ada")
    desk.refill(offered(n) for n in range(3))
    first, second = desk.take(), None
    desk.done()
    second = desk.take()
    assert first is not None
    desk.put_back(first, note="why")
    assert (desk.current, desk.note) == (first, "why")
    desk.done()
    assert desk.take() == second


def test_a_press_for_an_earlier_pair_can_be_told() -> None:
    desk = Desk(reviewer="Ada")
    desk.refill([offered(1), offered(2)])
    desk.take()
    turn = desk.turn
    desk.done()
    desk.take()
    assert desk.turn > turn


# --- the plan


def progress(**pairs: int) -> Progress:
    return Progress(strata={each: StratumProgress(pairs.get(each, 0)) for each in STRATA}, labels={}, awaiting_judge=0)


def planned(counted: Progress, *, per_day: int = 50, days: int = 7) -> dict[str, float]:
    newest = datetime(2026, 9, 21, 23, tzinfo=UTC)
    since = newest + timedelta(hours=1) - timedelta(days=days)
    found = review_plan.plan(
        counted, since=since, settled_at=newest, first=since, newest=newest, per_day=per_day
    )  # fmt: skip
    return dict(found.probabilities)


def test_half_of_the_labels_go_to_what_the_judge_calls_worse_and_their_number_is_the_plan() -> None:
    chances = planned(progress(judged_worse=1_000, judged_fine=9_000))
    assert 1_000 * chances[JUDGED_WORSE] == pytest.approx(175, rel=0.05)
    assert 9_000 * chances[JUDGED_FINE] == pytest.approx(175, rel=0.05)


def test_where_no_judge_looked_half_of_the_labels_go_to_disagreements() -> None:
    chances = planned(progress(disagreement=400, agreement=9_600))
    assert 400 * chances[DISAGREEMENT] == pytest.approx(175, rel=0.05)
    assert 9_600 * chances[AGREEMENT] == pytest.approx(175, rel=0.05)


def test_what_is_rare_is_chosen_whole_and_the_rest_of_the_plan_goes_elsewhere() -> None:
    chances = planned(progress(judged_worse=10, judged_fine=9_990))
    assert chances[JUDGED_WORSE] == 1
    assert 9_990 * chances[JUDGED_FINE] == pytest.approx(340, rel=0.05)


def test_on_its_first_hours_a_task_has_a_day_of_labels_to_give() -> None:
    newest = datetime(2026, 9, 21, 9, tzinfo=UTC)
    since = review_plan.window(newest, payload_days=30)
    found = review_plan.plan(
        progress(disagreement=500, agreement=500),
        since=since,
        settled_at=newest,
        first=newest,
        newest=newest,
        per_day=50,
    )
    assert 1_000 * found.probabilities[AGREEMENT] == pytest.approx(50, rel=0.05)


def test_few_pairs_are_all_chosen_and_no_plan_chooses_none() -> None:
    assert set(planned(progress(disagreement=20, agreement=30)).values()) == {1.0}
    assert planned(progress(disagreement=20), per_day=0) == {}
    assert planned(progress()) == {}


def test_the_window_starts_on_a_midnight_within_the_retention_of_words() -> None:
    newest = datetime(2026, 9, 21, 9, tzinfo=UTC)
    assert review_plan.window(newest, payload_days=30) == datetime(2026, 9, 14, tzinfo=UTC)
    assert review_plan.window(newest, payload_days=3) == datetime(2026, 9, 19, tzinfo=UTC)
    assert review_plan.window(newest, payload_days=1) == datetime(2026, 9, 21, tzinfo=UTC)


def test_chances_are_settled_for_a_day_and_on_the_first_day_for_an_hour() -> None:
    since, newest = datetime(2026, 9, 14, tzinfo=UTC), datetime(2026, 9, 21, 9, tzinfo=UTC)
    later = newest + timedelta(hours=5)
    at = review_plan.settled_at(since, first=since, newest=newest)
    assert at == review_plan.settled_at(since, first=since, newest=later)
    assert review_plan.settled_at(since, first=newest, newest=newest) != review_plan.settled_at(
        since, first=newest, newest=later
    )


# --- how far they have come


def test_progress_stands_by_stratum_and_by_reviewer() -> None:
    counted = Progress(
        strata={**progress().strata, JUDGED_WORSE: StratumProgress(100, 40, 7)},
        labels={"Ada": Counter({JUDGED_WORSE: 4}), "![x](http://attacker.example)": Counter({JUDGED_WORSE: 3})},
        awaiting_judge=0,
    )
    settled = review_plan.Plan(since=AT, settled_at=AT, probabilities={JUDGED_WORSE: 0.4})
    assert review_progress.strata(counted, settled).to_numpy().tolist() == [["judged worse", "100", "40%", "40", "7"]]
    rows = review_progress.reviewers(counted, {"Ada": 2, "Ben": 1}).to_numpy().tolist()
    assert rows[1:] == [["Ada", "4", "2"], ["Ben", "0", "1"]]
    assert "](" not in rows[0][0]


def test_labels_that_are_needed_are_told_where_a_judge_looked() -> None:
    cell = Cell("ticket-intent", "small-7b", "shadow", "judge", "all", "all", AT)
    looked = Tally()
    looked.counts.update({"judged:frontier": 2_000, "judged:tie": 18_000})
    words = review_progress.needed(calibrate({cell: looked}, half_width=0.02), has_judge=True)
    assert "more labels, half on each verdict, and regret is known to within ± 2 points" in words
    assert "name a model in the task's `judge`" in review_progress.needed(
        calibrate({}, half_width=0.02), has_judge=False
    )
    assert "has not looked" in review_progress.needed(calibrate({}, half_width=0.02), has_judge=True)
