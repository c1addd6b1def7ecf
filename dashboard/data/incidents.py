"""Cached reads of what `shadow monitor` stores: incidents, and its last heartbeat."""

from typing import Final

from dashboard.data.cache import cached, snapshot
from shadow.store.monitoring import incidents as stored
from shadow.store.monitoring.incidents import Heartbeat, Incident

#: The name under which the monitor stores its heartbeat.
SERVICE: Final = "monitor"


@cached
def incidents(task: str | None, *, open_only: bool = False) -> list[Incident]:
    """Incidents of one task, or of all with None; the newest first."""
    with snapshot() as connection:
        return stored.read(connection, task, open_only=open_only)


@cached
def heartbeat() -> Heartbeat | None:
    """The monitor's last heartbeat; None where it never stored one."""
    with snapshot() as connection:
        return stored.heartbeats(connection).get(SERVICE)
