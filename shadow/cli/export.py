"""`shadow export`"""

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import msgspec
import typer

from shadow import pairs_file
from shadow.cli.output.evidence_table import STANDARD
from shadow.cli.runtime.storage import database
from shadow.errors import UsageError
from shadow.records import Trial
from shadow.settings import load
from shadow.store.read import pairs as stored_pairs
from shadow.store.read.pairs import StoredPair
from shadow.store.schema import engine


def command(
    task: Annotated[str | None, typer.Option(help="Export the pairs of this task alone.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Export exchanges from this moment on, UTC."),
    ] = None,
    out: Annotated[Path, typer.Option(help="File to write, compressed if it ends in .gz; - for output.")] = STANDARD,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
) -> None:
    """Write stored pairs as JSON lines, newest first, in the format that `shadow replay` reads.

    `label` and `judge` are what people and judges say now. Pairs whose payload retention has
    taken are left out, and counted on standard error.

    Example: shadow export --task ticket-intent --out pairs.jsonl.gz
    """
    settings = load(config)
    moment = since.replace(tzinfo=UTC) if since else None
    encoder = msgspec.json.Encoder()
    written = gone = 0
    with database(settings) as opened, engine.browsing(opened) as connection, output(out) as file:
        for pair in stored_pairs.iterate(connection, task=task, since=moment):
            if not pair.payload_kept:
                gone += 1
                continue
            file.write(encoder.encode(pairs_file.line(_as_said_now(pair))) + b"\n")
            written += 1
            if written % 1_000 == 0 and sys.stderr.isatty():
                print(f"\r{written:,} pairs", end="", file=sys.stderr)
    print(
        f"{written:,} pairs written" + (f", {gone:,} left out: their payload is past its retention" if gone else ""),
        file=sys.stderr,
    )


def _as_said_now(pair: StoredPair) -> Trial:
    exchange = msgspec.structs.replace(
        pair.trial.exchange,
        label=pair.human,
        label_probability=pair.human_probability or 1.0,
        judge=pair.judge,
        judge_probability=(pair.judge_probability or 1.0) if pair.judge else 1.0,
    )
    return msgspec.structs.replace(pair.trial, exchange=exchange)


@contextmanager
def output(out: Path) -> Iterator[BinaryIO]:
    """Where to write. A file comes into being whole or not at all."""
    if out == STANDARD:
        yield sys.stdout.buffer
        return
    unfinished = out.with_name(f"{out.name}.unfinished")
    try:
        with unfinished.open("wb") as plain:
            if out.suffix == ".gz":
                with gzip.open(plain, "wb", compresslevel=6) as packed:
                    yield cast("BinaryIO", packed)
            else:
                yield plain
        unfinished.replace(out)
    except OSError as fault:
        raise UsageError(f"{out}: cannot be written ({fault.strerror})") from None
    finally:
        unfinished.unlink(missing_ok=True)
