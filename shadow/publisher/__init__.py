"""From the host application's threads to Kafka, at the cost of one bounded enqueue.

accounts     every exchange that was offered, counted to exactly one outcome
fit          an exchange as a message no larger than allowed
courier      the Kafka producer: made, watched, given up
publisher    the queue and the one thread that empties it
reporting    log lines that a long outage cannot turn into a flood
"""

from shadow.publisher.accounts import Dropped
from shadow.publisher.publisher import Publisher

__all__ = ["Dropped", "Publisher"]
