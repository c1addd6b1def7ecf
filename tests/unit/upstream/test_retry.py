from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.upstream.retry import MAX_PAUSE_S, pause_s, retry_after_s, worth_retrying


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
def test_a_pause_is_never_shorter_than_asked_for_but_bounded(asked: float):
    pause = pause_s(429, {"retry-after": repr(asked)})
    assert pause is not None
    assert min(asked, MAX_PAUSE_S) <= pause <= min(asked, MAX_PAUSE_S) + 1.0


def test_only_a_transient_status_asks_for_a_pause():
    assert pause_s(503, {}) is None
    assert pause_s(301, {"retry-after": "7"}) is None
    assert pause_s(429, {"retry-after": "7", "x-should-retry": "false"}) is not None


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_transient_failures_are_retried_unless_the_endpoint_says_not_to(status: int):
    assert worth_retrying(status, {})
    assert not worth_retrying(status, {"x-should-retry": "false"})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 301])
def test_a_wrong_request_is_not_sent_again(status: int):
    assert not worth_retrying(status, {})
