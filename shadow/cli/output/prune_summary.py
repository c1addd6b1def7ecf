"""What `shadow prune` has deleted, or would delete, a line for each kind of data."""

from shadow.store.write.prune import Dropped, Pruned


def summary(pruned: Pruned, *, dry_run: bool) -> list[str]:
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
            (pruned.verdicts, "cached verdicts of judges", pruned.payloads_before),
            (pruned.dead_letters, "dead letters", pruned.rows_before),
        )
        if n
    ]
    if pruned.refused_until:
        verb = "Would refuse" if dry_run else "Refusing"
        lines.append(
            f"{verb} from now on every event up to {pruned.refused_until}: "
            "without its rows it cannot be known whether it was counted."
        )
    if pruned.never_judged:
        verb = "Would no longer wait" if dry_run else "No longer waiting"
        lines.append(f"{verb} for a judge's verdict on {pruned.never_judged:,} pairs whose payload is deleted.")
    if pruned.sources:
        verb = "Would add up" if dry_run else "Added up"
        lines.append(f"{verb} the counts of {pruned.sources:,} capturing processes that ended long ago.")
    return lines or [
        f"Nothing to delete: no payload before {pruned.payloads_before}, no row before {pruned.rows_before}."
    ]


def _amount(dropped: Dropped) -> str:
    """Days and bytes, which are known without reading what is deleted."""
    parts = [f"{dropped.days:,} days ({_size(dropped.size)})"] if dropped.days else []
    parts += [f"{dropped.rows:,} rows of days that have no partition"] if dropped.rows else []
    return ", ".join(parts)


def _size(size: int) -> str:
    if size < 2**20:
        return f"{size / 2**10:,.0f} kB"
    return f"{size / 2**20:,.0f} MB" if size < 2**30 else f"{size / 2**30:,.1f} GB"
