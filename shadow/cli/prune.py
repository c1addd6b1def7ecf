"""`shadow prune`"""

from pathlib import Path
from typing import Annotated

import typer

from shadow.cli.runtime.storage import database
from shadow.settings import load
from shadow.store.write.prune import Dropped, Pruned, prune
from shadow.wire import utc_now


def command(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    payload_days: Annotated[
        int | None, typer.Option(min=1, help="Days to keep requests and replies. Default: retention.payload_days.")
    ] = None,
    rows_days: Annotated[
        int | None, typer.Option(min=1, help="Days to keep rows of exchanges. Default: retention.rows_days.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
) -> None:
    """Delete payloads and rows that are past their retention. Statistics stay.

    Run it once a day. It is safe to interrupt and to run beside everything else.

    Example: shadow prune --dry-run --payload-days 7
    """
    settings = load(config)
    given = {"payload_days": payload_days, "rows_days": rows_days}
    retention = settings.retention.model_copy(update={key: days for key, days in given.items() if days is not None})
    with database(settings) as opened, opened.connect() as connection:
        pruned = prune(connection, retention, utc_now(), dry_run=dry_run)
    for line in report(pruned, dry_run=dry_run):
        print(line)


def report(pruned: Pruned, *, dry_run: bool) -> list[str]:
    """What was done, a line per kind of thing."""
    verb = "Would delete" if dry_run else "Deleted"
    lines = [
        f"{verb} {what} of events before {before}: {amount}."
        for amount, what, before in (
            (_amount(pruned.payloads), "payloads", pruned.payloads_before),
            (_amount(pruned.comparisons), "comparisons", pruned.rows_before),
            (_amount(pruned.exchanges), "exchanges", pruned.rows_before),
        )
        if amount
    ]
    lines += [
        f"{verb} {n:,} {what} of events before {before}."
        for n, what, before in (
            (pruned.dead_letter_payloads, "payloads of dead letters", pruned.payloads_before),
            (pruned.verdicts, "remembered verdicts of judges", pruned.payloads_before),
            (pruned.dead_letters, "dead letters", pruned.rows_before),
        )
        if n
    ]
    if pruned.refused_until:
        verb = "Would refuse" if dry_run else "Refusing"
        lines.append(
            f"{verb} from now on what comes, or comes again, of events up to {pruned.refused_until}: "
            "without rows nobody can tell whether it was counted."
        )
    if pruned.never_judged:
        verb = "Would no longer wait" if dry_run else "No longer waiting"
        lines.append(f"{verb} for a judge to look at {pruned.never_judged:,} pairs whose payload is gone.")
    if pruned.sources:
        verb = "Would add up" if dry_run else "Added up"
        lines.append(f"{verb} the counts of {pruned.sources:,} capturing processes that are long gone.")
    return lines or [
        f"Nothing to delete: no payload before {pruned.payloads_before}, no row before {pruned.rows_before}."
    ]


def _amount(dropped: Dropped) -> str:
    """Days and bytes, which are known without reading what is deleted."""
    said = [f"{dropped.days:,} days ({_size(dropped.size)})"] if dropped.days else []
    said += [f"{dropped.rows:,} rows of days that have no partition"] if dropped.rows else []
    return ", ".join(said)


def _size(size: int) -> str:
    if size < 2**20:
        return f"{size / 2**10:,.0f} kB"
    return f"{size / 2**20:,.0f} MB" if size < 2**30 else f"{size / 2**30:,.1f} GB"
