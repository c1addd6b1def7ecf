"""What the SDK wrapper and the gateway record of one call, and the port through which they publish it.

captured_call  one request and the answer to it, as bytes; `to_exchange` reads them into an `Exchange`
body_buffer    the copy of an answer that is kept while the answer passes through
credentials    what the request carried as a credential, taken out of its exchange
port           `PublisherPort`: what a publisher offers to the SDK wrapper and to the gateway
"""

from shadow.recording.body_buffer import BodyBuffer
from shadow.recording.captured_call import CapturedCall, Tags
from shadow.recording.port import ExchangeSource, PublisherPort

__all__ = ["BodyBuffer", "CapturedCall", "ExchangeSource", "PublisherPort", "Tags"]
