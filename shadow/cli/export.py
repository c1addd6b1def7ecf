"""`shadow export`"""

import sys
from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer

from shadow.cli.output.files import STANDARD, open_output
from shadow.cli.runtime.options import Config, Since


def command(
    task: Annotated[str | None, typer.Option(help="Export only the pairs of this task.")] = None,
    since: Since = None,
    out: Annotated[
        Path, typer.Option(help="File to write, compressed if its name ends in .gz; - for standard output.")
    ] = STANDARD,
    config: Config = None,
) -> None:
    """Write stored pairs as JSON lines, newest first, in the format that `shadow replay` reads.

    `label` and `judge` hold the newest labels and verdicts. Pairs whose payload is past its
    retention are left out, and their number is printed to standard error.

    Example: shadow export --task ticket-intent --out pairs.jsonl.gz
    """
    from shadow.cli.runtime.pair_lines import pair_lines
    from shadow.cli.runtime.storage import open_database
    from shadow.settings import load
    from shadow.store.schema import engine

    settings = load(config)
    moment = since.replace(tzinfo=UTC) if since else None
    written = expired = 0
    with open_database(settings) as opened, engine.browsing(opened) as connection, open_output(out) as file:
        for line in pair_lines(connection, task=task, since=moment):
            if line is None:
                expired += 1
                continue
            file.write(line)
            written += 1
            if written % 1_000 == 0 and sys.stderr.isatty():
                print(f"\r{written:,} pairs", end="", file=sys.stderr)
    print(
        f"{written:,} pairs written"
        + (f", {expired:,} left out: their payload is past its retention" if expired else ""),
        file=sys.stderr,
    )
