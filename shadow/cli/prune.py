"""`shadow prune`"""

from typing import Annotated

import typer

from shadow.cli.runtime.options import Config


def command(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be deleted.")] = False,
    payload_days: Annotated[
        int | None, typer.Option(min=1, help="Days to keep requests and replies. Default: retention.payload_days.")
    ] = None,
    rows_days: Annotated[
        int | None, typer.Option(min=1, help="Days to keep rows of exchanges. Default: retention.rows_days.")
    ] = None,
    config: Config = None,
) -> None:
    """Delete payloads and rows that are past their retention. Statistics stay.

    Run it once a day. It is safe to interrupt it and to run it beside all other commands.

    Example: shadow prune --dry-run --payload-days 7
    """
    from shadow.cli.output.prune_summary import summary
    from shadow.cli.runtime.storage import open_database
    from shadow.settings import load
    from shadow.store.write.prune import prune
    from shadow.wire import utc_now

    settings = load(config)
    given = {"payload_days": payload_days, "rows_days": rows_days}
    retention = settings.retention.model_copy(update={key: days for key, days in given.items() if days is not None})
    with open_database(settings) as engine, engine.connect() as connection:
        pruned = prune(connection, retention, utc_now(), dry_run=dry_run)
    for line in summary(pruned, dry_run=dry_run):
        print(line)
