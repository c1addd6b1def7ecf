"""`shadow label`: import and export people's labels of pairs."""

import sys
from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer

from shadow.cli import EXIT_INCOMPLETE
from shadow.cli.output.files import STANDARD, open_input, open_output
from shadow.cli.output.terminal import plain
from shadow.cli.runtime.options import Config, Since
from shadow.errors import UsageError

command = typer.Typer(
    help="Import and export people's labels: which of two replies is better.\n\n"
    "Example: shadow label import labels.jsonl",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@command.command("export")
def export_labels(
    file: Annotated[
        Path, typer.Argument(help="File to write, compressed if its name ends in .gz; - for standard output.")
    ] = STANDARD,
    task: Annotated[str | None, typer.Option(help="Export only the labels of this task.")] = None,
    since: Since = None,
    config: Config = None,
) -> None:
    """Write all labels as JSON lines, also those of pairs that are deleted.

    Labels that came with a pair, in a pairs file, are in `shadow export`.

    Example: shadow label export labels.jsonl
    """
    import msgspec

    from shadow.cli.output.label_lines import line_of
    from shadow.cli.runtime.storage import open_database
    from shadow.settings import load
    from shadow.store.feedback import labels as stored_labels
    from shadow.store.schema import engine

    settings = load(config)
    moment = since.replace(tzinfo=UTC) if since else None
    written = 0
    with open_database(settings) as opened, engine.browsing(opened) as connection, open_output(file) as lines:
        for label in stored_labels.iterate_labels(connection, task=task, since=moment):
            lines.write(msgspec.json.encode(line_of(label)) + b"\n")
            written += 1
    print(f"{written:,} labels written", file=sys.stderr)


@command.command("import")
def import_labels(
    file: Annotated[Path, typer.Argument(help="Labels as JSON lines, plain or gzip; - for standard input.")],
    config: Config = None,
) -> None:
    """Read labels from JSON lines, count them in the evidence, and list the lines that cannot be used.

    A line needs `id`, `label` (frontier, candidate or tie) and `reviewer`; `task`, `candidate`, `kind` and
    `at` only if several pairs have the id. `probability` is the probability with which the pair was
    chosen for labelling, 1 by default. A reviewer's newer label replaces the older one; importing a
    file twice changes nothing if its lines have `labelled_at`. A `note` is redacted as captured
    requests are. Exits 3 if some lines cannot be used.

    Example: shadow label import labels.jsonl
    """
    from shadow.cli.runtime.label_import import LabelImport
    from shadow.cli.runtime.storage import open_database
    from shadow.redact import Redactor
    from shadow.settings import load

    settings = load(config)
    with open_input(file) as stream, open_database(settings) as opened:
        done = LabelImport(opened, Redactor(settings.redaction))
        done.read(stream)
    done.print_summary(plain(str(file)))
    if not done.lines:
        raise UsageError(f"{file}: holds no label")
    if done.bad:
        raise typer.Exit(EXIT_INCOMPLETE)
