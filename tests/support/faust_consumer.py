"""A FaustConsumer without a broker."""

from consumers.kafka.faust_consumer import Deliver, FaustConsumer
from shadow.settings import KafkaSettings


def a_faust_consumer(deliver: Deliver) -> FaustConsumer:
    async def on_revoked() -> None:
        pass

    return FaustConsumer(
        KafkaSettings(),
        group="g",
        topics=("t",),
        deliver=deliver,
        on_assigned=lambda _partitions: None,
        on_revoked=on_revoked,
    )
