"""Mirror the requests that an application makes with the official `openai` client.

client           mirror(OpenAI()): a client that also records its requests
call_context     task, segment and unit for a block of code
tags             is this request mirrored, and with which task, segment and unit?
recorder         makes a `CapturedCall` of a request and its response, and offers it to the publisher
stream_recorder  records a streamed answer while the application reads it
sdk_errors       what an exception of the SDK says about the endpoint
process          the settings and the publisher that all mirrored clients of a process share
"""

from shadow.capture.call_context import context
from shadow.capture.client import mirror

__all__ = ["context", "mirror"]
