"""What `shadow monitor --once` has processed, a line for each task."""

from collections.abc import Iterator
from datetime import UTC, datetime

from shadow.cli.output.terminal import plain
from shadow.store.monitoring.incidents import Heartbeat, Incident


def summary(heartbeat: Heartbeat | None, open_incidents: list[Incident]) -> Iterator[str]:
    """Up to which hour each task is processed, and how many of its incidents are open."""
    tasks = heartbeat.detail["tasks"] if heartbeat else {}
    if not tasks:
        yield "no pair is stored, so there was nothing to process"
    for name, detail in tasks.items():
        next_hour = detail.get("scored", {}).get("next_hour")
        until = (
            f"up to {datetime.fromisoformat(next_hour).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if next_hour else "no hour"
        )
        n = sum(incident.task == name for incident in open_incidents)
        yield f"{plain(name)}: processed {until}, {n} incident{'' if n == 1 else 's'} open"
