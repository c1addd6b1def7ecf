"""The Review page without widgets: sides that reveal nothing, a queue that loses nothing, probabilities that add up."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.views.review import plan as plans
from dashboard.views.review import progress as progress_tables
from dashboard.views.review import side_assignment
from dashboard.views.review.review_queue import QueuedPair, ReviewQueue
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


def review_pair(number: int, *, human: Preference | None = None) -> ReviewPair:
    cursor = Cursor(*name(number)[1:])
    pair = StoredPair(trial=trial(number), comparison=Comparison(scorer="exact"), cursor=cursor, human=human)
    return ReviewPair(pair, 0.5, DISAGREEMENT)


# --- which reply stands on which side


def test_a_pair_keeps_its_sides_for_a_reviewer_and_may_swap_them_for_another() -> None:
    first, second = ([side_assignment.frontier_is_left(name(n), who) for n in range(400)] for who in ("Ada", "Ben"))
    assert first == [side_assignment.frontier_is_left(name(n), "Ada") for n in range(400)]
    assert 160 < sum(first) < 240
    assert 160 < sum(a == b for a, b in zip(first, second, strict=True)) < 240


@pytest.mark.parametrize("frontier_left", [True, False])
def test_the_chosen_side_gives_the_model_whose_reply_stood_there(frontier_left: bool) -> None:
    left, right = side_assignment.side_texts(trial(), frontier_left=frontier_left)
    texts = {"frontier": "of the large", "candidate": "of the small"}
    assert texts[side_assignment.to_preference("left", frontier_left=frontier_left)] == left
    assert texts[side_assignment.to_preference("right", frontier_left=frontier_left)] == right
    assert side_assignment.to_preference("tie", frontier_left=frontier_left) == "tie"


def test_sides_stay_the_same_whichever_model_was_served() -> None:
    given = trial()
    swapped = Trial(
        exchange=Exchange(
            id="exchange-0", task="ticket-intent", at=AT, request={}, reply=given.reply, served_by="candidate"
        ),
        kind="reverse", candidate="small-7b", reply=given.exchange.reply, at=AT,
    )  # fmt: skip
    assert side_assignment.side_texts(swapped, frontier_left=True) == side_assignment.side_texts(
        given, frontier_left=True
    )


def test_a_reply_without_text_is_shown_as_empty() -> None:
    empty = Trial(
        exchange=trial().exchange,
        kind="shadow",
        candidate="small-7b",
        reply=Reply(model="m", content="", failure="empty"),
        at=AT,
    )
    assert side_assignment.side_texts(empty, frontier_left=True) == ("of the large", side_assignment.EMPTY_REPLY)


# --- the queue


def test_each_reviewer_goes_through_the_same_pairs_in_an_order_of_their_own() -> None:
    orders = {}
    for who in ("Ada", "Ben"):
        queue = ReviewQueue(reviewer=who)
        queue.refill(review_pair(n) for n in range(12))
        orders[who] = [queue.advance() for _ in range(12)]
        assert queue.advance() is None
    assert Counter(orders["Ada"]) == Counter(orders["Ben"])
    assert orders["Ada"] != orders["Ben"]


def test_second_opinions_come_first() -> None:
    queue = ReviewQueue(reviewer="Ada")
    queue.refill([*(review_pair(n) for n in range(9)), review_pair(9, human="tie")])
    assert queue.advance() == QueuedPair(name(9), 0.5, DISAGREEMENT, second=True)


def test_a_skipped_pair_is_not_offered_again_until_asked_for() -> None:
    queue = ReviewQueue(reviewer="Ada")
    queue.refill([review_pair(1), review_pair(2)])
    skipped = queue.advance()
    queue.skip()
    assert queue.advance() != skipped
    queue.finish_current()
    queue.refill([review_pair(1), review_pair(2)])
    assert skipped not in queue.waiting
    queue.requeue_skipped()
    assert skipped in queue.waiting
    assert queue.skipped == []


def test_a_pair_that_is_brought_back_is_current_again_and_none_is_lost() -> None:
    queue = ReviewQueue(reviewer="Ada")
    queue.refill(review_pair(n) for n in range(3))
    first, second = queue.advance(), None
    queue.finish_current()
    second = queue.advance()
    assert first is not None
    queue.bring_back(first, note="why")
    assert (queue.current, queue.note) == (first, "why")
    queue.finish_current()
    assert queue.advance() == second


def test_a_click_for_an_earlier_pair_is_recognised_by_its_turn() -> None:
    queue = ReviewQueue(reviewer="Ada")
    queue.refill([review_pair(1), review_pair(2)])
    queue.advance()
    turn = queue.turn
    queue.finish_current()
    queue.advance()
    assert queue.turn > turn


# --- the plan


def progress(**pairs: int) -> Progress:
    return Progress(strata={each: StratumProgress(pairs.get(each, 0)) for each in STRATA}, labels={}, awaiting_judge=0)


def planned(counted: Progress, *, per_day: int = 50, days: int = 7) -> dict[str, float]:
    newest = datetime(2026, 9, 21, 23, tzinfo=UTC)
    since = newest + timedelta(hours=1) - timedelta(days=days)
    found = plans.plan(
        counted, since=since, fixed_at=newest, first=since, newest=newest, per_day=per_day
    )  # fmt: skip
    return dict(found.probabilities)


def test_half_of_the_planned_labels_go_to_pairs_that_the_judge_calls_worse() -> None:
    probabilities = planned(progress(judged_worse=1_000, judged_fine=9_000))
    assert 1_000 * probabilities[JUDGED_WORSE] == pytest.approx(175, rel=0.05)
    assert 9_000 * probabilities[JUDGED_FINE] == pytest.approx(175, rel=0.05)


def test_without_verdicts_half_of_the_labels_go_to_disagreements() -> None:
    probabilities = planned(progress(disagreement=400, agreement=9_600))
    assert 400 * probabilities[DISAGREEMENT] == pytest.approx(175, rel=0.05)
    assert 9_600 * probabilities[AGREEMENT] == pytest.approx(175, rel=0.05)


def test_a_rare_stratum_is_chosen_whole_and_the_other_gets_the_rest_of_the_labels() -> None:
    probabilities = planned(progress(judged_worse=10, judged_fine=9_990))
    assert probabilities[JUDGED_WORSE] == 1
    assert 9_990 * probabilities[JUDGED_FINE] == pytest.approx(340, rel=0.05)


def test_a_task_has_a_whole_day_of_labels_in_its_first_hours() -> None:
    newest = datetime(2026, 9, 21, 9, tzinfo=UTC)
    since = plans.window_start(newest, payload_days=30)
    found = plans.plan(
        progress(disagreement=500, agreement=500),
        since=since,
        fixed_at=newest,
        first=newest,
        newest=newest,
        per_day=50,
    )
    assert 1_000 * found.probabilities[AGREEMENT] == pytest.approx(50, rel=0.05)


def test_few_pairs_are_all_chosen_and_zero_labels_a_day_choose_none() -> None:
    assert set(planned(progress(disagreement=20, agreement=30)).values()) == {1.0}
    assert planned(progress(disagreement=20), per_day=0) == {}
    assert planned(progress()) == {}


def test_the_window_starts_at_a_midnight_within_the_retention_of_payloads() -> None:
    newest = datetime(2026, 9, 21, 9, tzinfo=UTC)
    assert plans.window_start(newest, payload_days=30) == datetime(2026, 9, 14, tzinfo=UTC)
    assert plans.window_start(newest, payload_days=3) == datetime(2026, 9, 19, tzinfo=UTC)
    assert plans.window_start(newest, payload_days=1) == datetime(2026, 9, 21, tzinfo=UTC)


def test_probabilities_are_fixed_for_a_day_and_on_the_first_day_for_an_hour() -> None:
    since, newest = datetime(2026, 9, 14, tzinfo=UTC), datetime(2026, 9, 21, 9, tzinfo=UTC)
    later = newest + timedelta(hours=5)
    at = plans.fixed_at(since, first=since, newest=newest)
    assert at == plans.fixed_at(since, first=since, newest=later)
    assert plans.fixed_at(since, first=newest, newest=newest) != plans.fixed_at(since, first=newest, newest=later)


# --- progress


def test_progress_is_shown_by_stratum_and_by_reviewer() -> None:
    counted = Progress(
        strata={**progress().strata, JUDGED_WORSE: StratumProgress(100, 40, 7)},
        labels={"Ada": Counter({JUDGED_WORSE: 4}), "![x](http://attacker.example)": Counter({JUDGED_WORSE: 3})},
        awaiting_judge=0,
    )
    plan = plans.Plan(since=AT, fixed_at=AT, probabilities={JUDGED_WORSE: 0.4})
    assert progress_tables.strata(counted, plan).to_numpy().tolist() == [["judged worse", "100", "40%", "40", "7"]]
    rows = progress_tables.reviewers(counted, {"Ada": 2, "Ben": 1}).to_numpy().tolist()
    assert rows[1:] == [["Ada", "4", "2"], ["Ben", "0", "1"]]
    assert "](" not in rows[0][0]


def test_the_labels_still_needed_are_shown_where_a_judge_gave_verdicts() -> None:
    cell = Cell("ticket-intent", "small-7b", "shadow", "judge", "all", "all", AT)
    judged = Tally()
    judged.counts.update({"judged:frontier": 2_000, "judged:tie": 18_000})
    words = progress_tables.labels_needed(calibrate({cell: judged}, half_width=0.02), has_judge=True)
    assert "more labels, half on each verdict, give regret to within ± 2 points" in words
    assert "name a model in the task's `judge`" in progress_tables.labels_needed(
        calibrate({}, half_width=0.02), has_judge=False
    )
    assert "no verdict yet" in progress_tables.labels_needed(calibrate({}, half_width=0.02), has_judge=True)
