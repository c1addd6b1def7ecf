"""Mirror the requests that an application makes with the official `openai` client.

client       mirror(OpenAI()): a client that also tells us what it asked and heard
call_context task, segment and unit for a block of code
tags         is this request mirrored, and as what?
recorder     what is noted of a request, and handed to the publisher
call         one user request, from the question to the last byte of the answer
stream_recorder what a streamed answer said, and when
process      the settings and the publisher that every mirrored client of a process shares
"""

from shadow.capture.call_context import context
from shadow.capture.client import mirror

__all__ = ["context", "mirror"]
