"""Promises of sampling: consistent, monotone in the rate, uniform, independent across salts."""

from hypothesis import given
from hypothesis import strategies as st

from shadow.policy.sampling import chosen, position

KEYS = [f"exchange-{n}" for n in range(20_000)]


@given(st.text(max_size=60), st.text(max_size=60))
def test_positions_lie_in_the_half_open_unit_interval(key, salt):
    assert 0 <= position(key, salt=salt) < 1


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_raising_the_rate_keeps_what_was_chosen(key, one, other):
    low, high = sorted((one, other))
    assert chosen(key, rate=high, salt="mirror") or not chosen(key, rate=low, salt="mirror")


@given(st.text())
def test_rate_one_takes_everything_and_rate_zero_nothing(key):
    assert chosen(key, rate=1.0, salt="mirror")
    assert not chosen(key, rate=0.0, salt="mirror")


def test_the_share_chosen_is_the_rate():
    # Six standard deviations of a binomial with n = 20,000 and p = 0.05 are 0.0092.
    share = sum(chosen(key, rate=0.05, salt="mirror") for key in KEYS) / len(KEYS)
    assert abs(share - 0.05) < 0.0092


def test_different_salts_choose_independently():
    both = sum(chosen(k, rate=0.5, salt="mirror") and chosen(k, rate=0.5, salt="ceiling") for k in KEYS)
    assert abs(both / len(KEYS) - 0.25) < 0.0184


def test_another_process_makes_the_same_choice():
    assert position("exchange-1", salt="mirror") == 0.9521250510674164
