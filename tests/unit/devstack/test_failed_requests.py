"""Live requests that fail are reported: the first at once, later ones from time to time with their number."""

import pytest

from shadow.devstack.simulation.failed_requests import EVERY_S, FailedRequests


@pytest.fixture
def lines() -> list[str]:
    return []


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_first_failure_is_reported_at_once_and_the_others_are_counted(lines: list[str]) -> None:
    clock = Clock()
    failures = FailedRequests(lines.append, clock=clock)
    for _ in range(50):
        failures.add(OSError("connection\n  refused"))
    assert lines == ["1 live request has failed, the last one with: connection refused"]
    clock.now += EVERY_S
    failures.add(OSError("still refused"))
    failures.add(OSError("still refused"))
    assert lines[1:] == ["51 live requests have failed, the last one with: still refused"]


def test_a_long_message_of_a_server_is_shortened(lines: list[str]) -> None:
    FailedRequests(lines.append, clock=Clock()).add(OSError("x" * 10_000))
    assert len(lines[0]) < 300
