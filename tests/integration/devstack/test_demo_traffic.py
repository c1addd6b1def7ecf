"""The demo's live traffic, with an endpoint that does not answer."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from shadow.devstack.services.processes import free_port
from shadow.devstack.simulation import traffic
from shadow.devstack.simulation.world import World
from shadow.publisher import Publisher
from shadow.settings import KafkaSettings, TopicSettings
from tests.support.demo_weeks import demo_settings


async def test_unanswered_requests_are_reported_and_the_traffic_goes_on(
    tmp_path: Path, broker: str, topics: TopicSettings
) -> None:
    world = World(now=datetime.now(UTC), seed=1)
    kafka = KafkaSettings(bootstrap_servers=broker, topics=topics)
    settings = demo_settings(tmp_path, world).model_copy(update={"kafka": kafka})
    errors: list[Exception] = []
    with closing(Publisher(settings, source="test")) as publisher:
        await traffic.live(
            f"http://127.0.0.1:{free_port()}",
            world,
            settings,
            publisher,
            per_second=200,
            failed=errors.append,
            stopped=lambda: len(errors) >= 5,
        )
    assert {str(error) for error in errors} == {"Connection error."}
