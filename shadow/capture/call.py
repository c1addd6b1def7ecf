"""One user request: what was asked, and what was heard.

On the application's thread only references are kept: to the bytes of the request as they were
sent, and to the bytes of the answer as they came. They do not change, whatever the application
does with its own objects afterwards. Reading them is left to the publisher's thread.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shadow import replies
from shadow.capture.tape import Tape
from shadow.records import Api, Failure

TRACEPARENT: Final = "traceparent"
_NONE: Final[Mapping[str, str]] = {}


class Call(msgspec.Struct, eq=False):
    """One request of the application, however often the SDK tries.

    A struct because making one is a quarter of the work of a dataclass, and it happens while the
    application waits. `unit`, `headers` (of the request, ours alone) and `segment` are what the
    application said of it, `rate` the probability with which it is mirrored. `body` is the request
    as the SDK will send it, until `request`, the bytes it did send, takes its place: the answer is
    known then. It is a whole `answer`, a streamed one on `tape`, or a `failure`; of a streamed one
    `answer_headers` say how to read it. `started` and `ended` are on the clock of
    `time.perf_counter()` (seconds). `id` is made on the publisher's thread, unless sampling needs it.
    """

    api: Api
    task: str
    unit: str | None
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None
    rate: float
    segment: Mapping[str, str]
    id: str = ""
    started: float = 0.0
    ended: float = 0.0
    request: bytes = b""
    answer: bytes | None = None
    tape: Tape | None = None
    answer_headers: Mapping[str, str] = _NONE
    status: int | None = None
    failure: Failure | None = None
    detail: str = ""


def new_id(at: float) -> str:
    """A unique id (32 hexadecimal digits) that sorts by time; `at` is Unix time."""
    return f"{int(at * 1_000):012x}{secrets.token_hex(10)}"


#: What the SDK's exceptions mean, by name: their classes are the application's `openai`.
_FAILURES: Final[Mapping[str, Failure]] = {
    "APITimeoutError": "timeout",
    "APIConnectionError": "endpoint_error",
    "APIResponseValidationError": "malformed",
    "CancelledError": "interrupted",
    "KeyboardInterrupt": "interrupted",
    "GeneratorExit": "interrupted",
}


def failure_of(fault: BaseException) -> tuple[Failure, str, int | None]:
    """What an exception out of the SDK says of the endpoint: failure, detail and HTTP status."""
    name = type(fault).__name__
    status = getattr(fault, "status_code", None)
    if isinstance(status, int):
        return replies.failure_of_status(status), str(fault), status
    return _FAILURES.get(name, "endpoint_error"), f"{name}: {fault}", None
