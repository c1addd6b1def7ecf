"""Consuming from Kafka: bytes in, a coroutine for each message, committed offsets out.

consumer          starts a session, and another one when Faust or the broker fails; ends it in order
membership        a session's membership in its consumer group: deliveries accepted, offsets committed, lag measured
in_flight         the messages being handled, bounded in number and bytes
offset_tracker    up to which offset each partition may be committed
faust_consumer    a Faust app that only delivers bytes and commits offsets
faust_internals   every private member of Faust, mode and aiokafka that is used, and what it is used for
messages          a message as consumed, how it is read, and the dead letter for one that cannot be processed
producer          sends events and waits until the broker has them
"""
