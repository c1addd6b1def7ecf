"""The events of a detector: an incident opens or closes."""

from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

Severity: TypeAlias = Literal["warning", "critical"]


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """Something has been wrong since `at` (event time).

    `subject` distinguishes the incidents of one detector, `summary` is one sentence with its
    numbers, `detail` holds the same figures as JSON.
    """

    subject: str
    at: datetime
    summary: str
    severity: Severity = "warning"
    detail: dict[str, Any] = {}


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """The incident that opened at `opened_at` is over at `at` (event times); `reason` says why."""

    subject: str
    opened_at: datetime
    at: datetime
    reason: str


Event: TypeAlias = Opened | Closed
