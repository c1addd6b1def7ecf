"""Consuming from Kafka: bytes in, a coroutine for each message, offsets out.

faust_consumer  the one file that knows Faust
membership      a consumer's place in its group
stream          messages handled side by side
in_flight       messages being handled, each until its effects are durable
room            how many messages and bytes may be in flight
offset_tracker  how far each partition may be committed
messages        a message as it came off a topic, and the dead letter it becomes
producer        events sent, and waited for until the broker has them
"""
