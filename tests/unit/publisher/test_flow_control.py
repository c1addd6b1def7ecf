"""While the broker answers, the producer gets much; while it does not, one exchange now and then."""

import pytest

from shadow.publisher.flow_control import FlowControl

MIB = 2**20


@pytest.fixture
def flow():
    flow = FlowControl(queue_bytes=64 * MIB, stalled_after_s=15.0)
    flow.producer_made(100.0)
    flow.sending(100.0, in_flight=0)
    return flow


def may_send(flow, now, *, in_flight=0, in_flight_bytes=0):
    return flow.may_send(now, in_flight=in_flight, in_flight_bytes=in_flight_bytes)


def test_no_more_than_a_few_megabytes_and_half_the_queue_are_in_flight(flow):
    assert may_send(flow, 100.0, in_flight=9, in_flight_bytes=8 * MIB - 1)
    assert not may_send(flow, 100.0, in_flight=9, in_flight_bytes=8 * MIB)
    small = FlowControl(queue_bytes=MIB, stalled_after_s=15.0)
    assert not may_send(small, 0.0, in_flight=9, in_flight_bytes=MIB // 2)


def test_a_producer_that_does_not_answer_gets_nothing_more_until_it_does(flow):
    assert may_send(flow, 100.9, in_flight=5)
    assert not may_send(flow, 101.1, in_flight=5)
    flow.answered(120.0)
    assert may_send(flow, 120.0, in_flight=5)


def test_time_without_anything_in_flight_is_no_silence(flow):
    flow.answered(100.1)
    assert may_send(flow, 500.0)
    flow.sending(500.0, in_flight=0)
    assert may_send(flow, 500.5, in_flight=1)
    assert not flow.is_stalled(510.0, in_flight=1)


def test_after_a_failure_one_exchange_at_a_time_is_tried_with_longer_and_longer_pauses(flow):
    pauses = []
    now = 110.0
    for _ in range(6):
        for _ in range(3):
            flow.failed(now)  # a whole batch fails at once
        assert not may_send(flow, now)
        pauses.append(next(ms for ms in range(5_000) if may_send(flow, now + ms / 1_000)) / 1_000)
        now += pauses[-1]
        assert not may_send(flow, now, in_flight=1)
    assert pauses == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]


def test_one_answer_ends_the_pauses(flow):
    flow.failed(110.0)
    flow.failed(110.3)
    flow.answered(111.0)
    assert may_send(flow, 111.0, in_flight=5, in_flight_bytes=MIB)
    flow.failed(112.0)
    assert may_send(flow, 112.25), "the next failure begins with the short pause"


def test_a_producer_is_stalled_when_it_owes_answers_and_gives_none(flow):
    assert not flow.is_stalled(114.9, in_flight=1)
    assert flow.is_stalled(115.1, in_flight=1)
    assert not flow.is_stalled(115.1, in_flight=0)


def test_failures_do_not_hide_that_nothing_is_delivered(flow):
    for second in range(1, 20):
        flow.failed(100.0 + second)
        flow.sending(100.0 + second, in_flight=0)
    assert flow.is_stalled(119.0, in_flight=0)
    flow.producer_made(119.0)
    assert not flow.is_stalled(133.0, in_flight=1)
