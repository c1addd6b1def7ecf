"""Live requests that fail are told: at once, then now and then with their number."""

import pytest

from shadow.devstack.simulation.failed_requests import EVERY_S, FailedRequests


@pytest.fixture
def said() -> list[str]:
    return []


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_failure_is_told_at_once_and_the_others_counted(said: list[str]) -> None:
    clock = Clock()
    failures = FailedRequests(said.append, clock=clock)
    for _ in range(50):
        failures.add(OSError("connection\n  refused"))
    assert said == ["1 live request has failed, the last one so: connection refused"]
    clock.now += EVERY_S
    failures.add(OSError("still refused"))
    failures.add(OSError("still refused"))
    assert said[1:] == ["51 live requests have failed, the last one so: still refused"]


def test_what_a_server_says_at_length_is_shortened(said: list[str]) -> None:
    FailedRequests(said.append, clock=Clock()).add(OSError("x" * 10_000))
    assert len(said[0]) < 300
