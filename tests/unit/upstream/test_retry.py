from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.upstream.retry import LONGEST_SILENCE_S, retry_after_s, silence_s, worth_retrying


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": formatdate(1_000_030, usegmt=True)}, 30.0),
        ({"retry-after": formatdate(999_000, usegmt=True)}, 0.0),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_retry_after_is_read_in_every_form_endpoints_use(headers: dict[str, str], expected: float | None):
    assert retry_after_s(headers, now=1_000_000.0) == expected


@given(asked=st.floats(0, 1e9))
def test_a_silence_is_never_shorter_than_asked_but_bounded(asked: float):
    silence = silence_s(429, {"retry-after": repr(asked)})
    assert silence is not None
    assert min(asked, LONGEST_SILENCE_S) <= silence <= min(asked, LONGEST_SILENCE_S) + 1.0


def test_only_who_may_answer_later_is_taken_to_ask_for_silence():
    assert silence_s(503, {}) is None
    assert silence_s(301, {"retry-after": "7"}) is None
    assert silence_s(429, {"retry-after": "7", "x-should-retry": "false"}) is not None


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_passing_faults_are_tried_again_unless_the_endpoint_says_not_to(status: int):
    assert worth_retrying(status, {})
    assert not worth_retrying(status, {"x-should-retry": "false"})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 301])
def test_a_wrong_request_is_not_sent_again(status: int):
    assert not worth_retrying(status, {})
