"""What a detector has to say: a period in which something is wrong has begun, or is over."""

from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

Severity: TypeAlias = Literal["warning", "critical"]


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """Since `at` (event time) something is wrong. `subject` tells apart what one detector watches,
    `summary` is one sentence with its numbers, `detail` holds the figures.
    """

    subject: str
    at: datetime
    summary: str
    severity: Severity = "warning"
    detail: dict[str, Any] = {}


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """What began at `opened_at` is over at `at` (event times), and `because` says how one can tell."""

    subject: str
    opened_at: datetime
    at: datetime
    because: str


Event: TypeAlias = Opened | Closed
