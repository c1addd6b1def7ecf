"""What services do before and beside their work: concurrency and health port; no broker."""

import pytest

from consumers.runtime.health import ConsumerHealth
from consumers.worker import build
from shadow.errors import UsageError
from shadow.settings import TopicSettings
from tests.support.consuming import settings_for


def test_the_worker_has_enough_messages_in_flight_to_keep_its_endpoints_busy():
    address = {"base_url": "http://localhost:1/v1"}
    models = {"big": {**address, "concurrency": 7}, "small": {**address, "concurrency": 11}, "unused": address}
    tasks = {"intent": {"frontier": "big", "candidates": ["small"], "regret_rate": 0.1}}
    assert build(settings_for("h:1", TopicSettings(), models=models, tasks=tasks)).concurrency == 2 * (7 + 11)
    tasks["intent"]["regret_rate"] = 0
    assert build(settings_for("h:1", TopicSettings(), models=models, tasks=tasks)).concurrency == 2 * 11


async def test_a_health_port_in_use_is_reported_with_its_setting():
    first = await ConsumerHealth("worker").serve("127.0.0.1", 0)
    try:
        port = first.addresses[0][1]
        with pytest.raises(UsageError, match=rf"127\.0\.0\.1:{port}.*health_port"):
            await ConsumerHealth("scorer").serve("127.0.0.1", port)
    finally:
        await first.cleanup()
