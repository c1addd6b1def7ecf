"""`shadow label`: bring in what people say of pairs, and take it out."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import msgspec
import typer
from sqlalchemy import Engine

from shadow.cli.export import output
from shadow.cli.output.evidence_table import STANDARD, plain
from shadow.cli.output.label_lines import LabelLine, line_of, read
from shadow.cli.replay import INCOMPLETE
from shadow.cli.runtime.storage import database
from shadow.errors import RedactionError, UsageError
from shadow.pairs_file import BadLine
from shadow.redact import Redactor
from shadow.settings import load
from shadow.store.feedback import labels as stored_labels
from shadow.store.feedback.labels import Label
from shadow.store.read import pairs as stored_pairs
from shadow.store.schema import engine
from shadow.wire import utc_now

command = typer.Typer(
    help="Bring in what people say of pairs of replies, and take it out.\n\nExample: shadow label import labels.jsonl",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

#: Labels recorded in one transaction.
BATCH: Final = 500

#: Broken lines that are shown one by one.
SHOWN: Final = 20

Config = Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")]


@command.command("export")
def export_labels(
    file: Annotated[Path, typer.Argument(help="File to write, compressed if it ends in .gz; - for output.")] = STANDARD,
    task: Annotated[str | None, typer.Option(help="Export the labels of this task alone.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Of exchanges from this moment on, UTC."),
    ] = None,
    config: Config = None,
) -> None:
    """Write all labels as JSON lines, those of pairs that are long gone too.

    Labels that came with a pair, in a pairs file, are in `shadow export`.

    Example: shadow label export labels.jsonl
    """
    settings = load(config)
    moment = since.replace(tzinfo=UTC) if since else None
    written = 0
    with database(settings) as opened, engine.browsing(opened) as connection, output(file) as lines:
        for label in stored_labels.iterate_labels(connection, task=task, since=moment):
            lines.write(msgspec.json.encode(line_of(label)) + b"\n")
            written += 1
    print(f"{written:,} labels written", file=sys.stderr)


@command.command("import")
def import_labels(
    file: Annotated[Path, typer.Argument(help="Labels as JSON lines, plain or gzip; - for standard input.")],
    config: Config = None,
) -> None:
    """Read labels from JSON lines, count them at once, and say which are of no use.

    A line needs `id`, `label` (frontier, candidate or tie) and `reviewer`; `task`, `candidate`, `kind` and
    `at` only where the id means several pairs. `probability` is the chance with which the pair was
    chosen to be labelled, 1 if left out. A reviewer's newer label replaces the older; reading a
    file twice changes nothing if its lines say when they were `labelled_at`. What is private in a
    `note` is redacted as in captured requests. Exits 3 when some lines were of no use.

    Example: shadow label import labels.jsonl
    """
    settings = load(config)
    with _opened(file) as stream, database(settings) as opened:
        done = Import(opened, Redactor(settings.redaction))
        for lines in _in_batches(read(stream)):
            done.take(lines)
    done.report(plain(str(file)))
    if not done.lines:
        raise UsageError("there was no label")
    if done.bad:
        raise typer.Exit(INCOMPLETE)


class Import:
    """Takes lines in, a batch after the other, and keeps count of what became of them."""

    def __init__(self, database: Engine, redactor: Redactor) -> None:
        self._engine = database
        self._redactor = redactor
        self._first_bad: list[BadLine] = []
        self.lines = self.recorded = self.bad = 0

    def take(self, lines: Sequence[tuple[int, LabelLine | BadLine]]) -> None:
        """Record what the lines say, in one transaction."""
        bad = {number: line.reason for number, line in lines if isinstance(line, BadLine)}
        readable = {number: line for number, line in lines if isinstance(line, LabelLine)}
        with engine.transaction(self._engine) as connection:
            stored = stored_pairs.keys_of(connection, {name for line in readable.values() for name in line.ids()})
            labels: dict[int, Label] = {}
            for number, line in readable.items():
                meant = next((found for name in line.ids() if (found := line.among(stored.get(name, [])))), [])
                if len(meant) == 1:
                    try:
                        labels[number] = line.about(meant[0], note=self._redactor.text(line.note), now=utc_now())
                    except RedactionError as fault:
                        bad[number] = str(fault)
                else:
                    bad[number] = _SEVERAL.format(len(meant)) if meant else _UNKNOWN
            given = stored_labels.record_labels(connection, list(labels.values()))
        bad |= {number: _UNKNOWN for number, label in labels.items() if label.pair in given.unknown}
        bad |= {number: _UNFIT for number, label in labels.items() if label.pair in given.not_comparable}
        self.lines += len(lines)
        self.recorded += given.recorded
        self.bad += len(bad)
        room = SHOWN - len(self._first_bad)
        self._first_bad += [BadLine(number=number, reason=bad[number]) for number in sorted(bad)[:room]]

    def report(self, name: str) -> None:
        """Say on standard error what was done, and which lines were of no use."""
        for line in self._first_bad:
            print(f"{name}:{line.number}: {plain(line.reason)}", file=sys.stderr)
        if self.bad > len(self._first_bad):
            print(f"… and {self.bad - len(self._first_bad):,} more", file=sys.stderr)
        known = self.lines - self.bad - self.recorded
        print(
            f"{self.lines:,} lines read, {self.bad:,} of no use, {self.recorded:,} labels newly recorded"
            + (f", {known:,} known or superseded" if known else ""),
            file=sys.stderr,
        )


def _in_batches(
    lines: Iterator[tuple[int, LabelLine | BadLine]],
) -> Iterator[list[tuple[int, LabelLine | BadLine]]]:
    while batch := list(islice(lines, BATCH)):
        yield batch


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if file == STANDARD:
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as fault:
        raise UsageError(f"{file}: cannot be read ({fault.strerror})") from None
    with stream:
        yield stream


_UNKNOWN: Final = "no such pair is stored"
_SEVERAL: Final = "{} stored pairs fit; say which by `task`, `candidate`, `kind` or `at`"
_UNFIT: Final = "the pair holds no two replies of which somebody could prefer one"
