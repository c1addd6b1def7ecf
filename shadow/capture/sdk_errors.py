"""What an exception of the SDK says about the endpoint."""

from collections.abc import Mapping
from typing import Final

from shadow.openai_api import error_bodies
from shadow.records import Failure

#: By the name of the exception: the classes belong to the application's `openai` and HTTP library.
_FAILURES: Final[Mapping[str, Failure]] = {
    "APITimeoutError": "timeout",
    "APIConnectionError": "endpoint_error",
    "APIResponseValidationError": "malformed",
    "CancelledError": "interrupted",
    "KeyboardInterrupt": "interrupted",
    "GeneratorExit": "interrupted",
}


def failure_of(error: BaseException) -> tuple[Failure | None, str, int | None]:
    """Failure, detail and HTTP status of a request that ended in this exception.

    The failure is None where the endpoint has nothing to do with it: the request could not be
    encoded, say, or a hook of the application raised.
    """
    name = type(error).__name__
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return error_bodies.failure_of_status(status), str(error), status
    from_sdk = hasattr(error, "request")
    return _FAILURES.get(name, "endpoint_error" if from_sdk else None), f"{name}: {error}", None
