"""From the host application's threads to Kafka, at the cost of one bounded enqueue.

publisher         the publisher, and the one thread that empties its queue
queue             the exchanges on their way, the byte budget, and the outcome of each
encode            from an offered exchange to a message: built, redacted, encoded
truncate          an exchange as a message no larger than allowed
flow_control      how much may be with the producer, as learned from what it delivers
connection        a producer when one is needed, and another when it fails
kafka_producer    the Kafka client's producer: made, closed, abandoned
lifecycle         what happens when the process ends or forks
rate_limited_log  log lines that a long outage cannot turn into a flood
"""

from shadow.publisher.publisher import Publisher

__all__ = ["Publisher"]
