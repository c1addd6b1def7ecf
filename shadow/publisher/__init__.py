"""From the host application's threads to Kafka, at the cost of one bounded enqueue.

queue        every exchange that was offered, counted to exactly one outcome
encode       what was offered becomes a message: built, redacted, encoded
truncate     an exchange as a message no larger than allowed
kafka_producer the Kafka producer: made, watched, given up
connection   a producer when it is needed, and another when it fails
publisher    the queue and the one thread that empties it
lifecycle    the ends and forks of the process
reporting    log lines that a long outage cannot turn into a flood
"""

from shadow.publisher.publisher import Publisher

__all__ = ["Publisher"]
