from hypothesis import given
from hypothesis import strategies as st

from shadow.backoff import Backoff, backoff_s


@given(attempt=st.integers(0, 10_000))
def test_a_wait_doubles_up_to_a_limit_and_is_shortened_by_at_most_half(attempt: int):
    longest = 8.0 if attempt >= 5 else 0.25 * 2**attempt
    assert longest / 2 <= backoff_s(attempt, first_s=0.25, max_s=8.0) <= longest


async def test_each_failure_doubles_the_next_wait_until_a_success_resets_it():
    backoff = Backoff(first_s=0.001, max_s=0.002)
    for _ in range(4):
        await backoff.wait()
    assert backoff.failures == 4
    assert 0.001 <= backoff.next_s() <= 0.002
    backoff.reset()
    assert backoff.next_s() <= 0.001
