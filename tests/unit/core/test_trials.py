"""Which trials an exchange leads to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.errors import WireError
from shadow.policy.sampling import chosen
from shadow.policy.trials import NOTHING_SERVED, trials_for
from shadow.records import Reply
from shadow.settings import Settings
from tests.support.consuming import an_exchange

ADDRESS = {"base_url": "http://localhost:1/v1"}


def settings(**task):
    return Settings.model_validate(
        {
            "models": {"big": ADDRESS, "small": {**ADDRESS, "model": "org/small-7b"}, "tiny": ADDRESS},
            "tasks": {"intent": {"frontier": "big", "candidates": ["small", "tiny"], **task}},
        }
    )


def an_exchange_where(rate, salt, *, selected):
    numbers = range(10_000)
    return next(n for n in numbers if chosen(f"exchange-{n}", rate=rate, salt=salt) is selected)


def test_what_the_frontier_served_is_put_to_every_candidate():
    planned = trials_for(an_exchange(1, inclusion_probability=0.25), settings())
    assert [(trial.kind, trial.candidate, trial.model) for trial in planned] == [
        ("shadow", "small", "small"),
        ("shadow", "tiny", "tiny"),
    ]
    assert {trial.inclusion_probability for trial in planned} == {0.25}


def test_a_share_of_it_is_put_to_the_frontier_again():
    number = an_exchange_where(0.1, "ceiling", selected=True)
    *_, ceiling = trials_for(an_exchange(number, inclusion_probability=0.5), settings(ceiling_rate=0.1))
    assert (ceiling.kind, ceiling.candidate, ceiling.model) == ("ceiling", "big", "big")
    assert ceiling.inclusion_probability == pytest.approx(0.05)


def test_what_a_candidate_served_is_put_to_the_frontier_at_the_regret_rate():
    number = an_exchange_where(0.1, "regret", selected=True)
    served = an_exchange(number, served_by="candidate", reply=Reply(model="org/small-7b", content="a"))
    (reverse,) = trials_for(served, settings(regret_rate=0.1))
    assert (reverse.kind, reverse.candidate, reverse.model, reverse.unasked) == ("reverse", "small", "big", None)
    assert reverse.inclusion_probability == pytest.approx(0.1)


def test_a_served_candidate_that_was_not_sampled_leaves_a_trace():
    number = an_exchange_where(0.1, "regret", selected=False)
    served = an_exchange(number, served_by="candidate", reply=Reply(model="tiny", content="a"))
    (reverse,) = trials_for(served, settings(regret_rate=0.1))
    assert (reverse.candidate, reverse.unasked) == ("tiny", "not_sampled")
    assert reverse.inclusion_probability == pytest.approx(0.9)


def test_an_only_candidate_is_known_whatever_its_endpoint_calls_itself():
    served = an_exchange(1, served_by="candidate", reply=Reply(model="/models/small.gguf", content="a"))
    (reverse,) = trials_for(served, settings(candidates=["small"]))
    assert reverse.candidate == "small"


def test_no_model_is_asked_where_the_served_reply_was_cut():
    def unasked(**changes):
        return {trial.unasked for trial in trials_for(an_exchange(1, truncated=True, **changes), settings())}

    assert unasked(cut=("reply",)) == {"reply_cut"}
    assert unasked(cut=()) == {None}
    # A prompt that was cut is the model's endpoint to refuse, with a reason of its own.
    assert unasked(cut=("request",)) == unasked(cut=("request", "reply")) == unasked() == {None}


@pytest.mark.parametrize("failure", sorted(NOTHING_SERVED))
def test_no_model_is_asked_what_production_could_not_answer(failure):
    failed = an_exchange(1, reply=Reply(model="big", failure=failure))
    assert {trial.unasked for trial in trials_for(failed, settings(ceiling_rate=1))} == {f"served_{failure}"}


@pytest.mark.parametrize("behaviour", ["refusal", "truncated", "empty"])
def test_whether_the_other_model_refuses_too_is_asked(behaviour):
    refused = an_exchange(1, reply=Reply(model="big", failure=behaviour))
    assert {trial.unasked for trial in trials_for(refused, settings())} == {None}


def test_a_task_that_is_not_configured_has_no_trials():
    with pytest.raises(WireError) as refused:
        trials_for(an_exchange(1, task="other"), settings())
    assert refused.value.reason == "unknown_task"


def test_a_task_without_candidates_has_no_trials():
    with pytest.raises(WireError) as refused:
        trials_for(an_exchange(1), settings(candidates=[]))
    assert refused.value.reason == "no_candidate"


@given(number=st.integers(0), rate=st.floats(0, 1), served_by=st.sampled_from(["frontier", "candidate"]))
def test_every_exchange_gets_the_same_trials_each_time_with_a_probability_above_zero(number, rate, served_by):
    exchange = an_exchange(number, served_by=served_by)
    rates = settings(ceiling_rate=rate, regret_rate=rate)
    planned = trials_for(exchange, rates)
    assert planned == trials_for(exchange, rates)
    assert planned
    assert all(0 < trial.inclusion_probability <= 1 for trial in planned)
