"""The options of `shadow replay`."""

from pathlib import Path
from typing import Annotated, Final

import typer

from shadow.cli import EXIT_INCOMPLETE
from shadow.cli.output.files import STANDARD
from shadow.cli.runtime.options import Config
from shadow.errors import UsageError
from shadow.records import Role

#: The names of `scoring.scorers.SCORERS`, which takes longer to import than `--help` may take.
SCORER_NAMES: Final = "exact, json, label, meaning, numeric, text, tool_calls"


def command(
    files: Annotated[list[Path], typer.Argument(help="Pairs files, plain or gzip; - for standard input.")],
    task: Annotated[str | None, typer.Option(help="Replay only the lines of this task.")] = None,
    scorer: Annotated[str | None, typer.Option(help=f"Scorer for all tasks: {SCORER_NAMES}.")] = None,
    segment: Annotated[
        str | None, typer.Option(metavar="DIM", help="Show only the segments of this dimension.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write the evidence as JSON to this file; - for standard output.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing.")] = False,
    redact: Annotated[
        bool, typer.Option("--redact", help="Redact what is stored, as live traffic is, by [redaction].")
    ] = False,
    candidate: Annotated[
        str | None, typer.Option(help="Model of shadow.toml to ask for missing candidate replies.")
    ] = None,
    frontier: Annotated[
        str | None, typer.Option(help="Model of shadow.toml to ask for missing frontier replies.")
    ] = None,
    judge: Annotated[str | None, typer.Option(help="Model of shadow.toml to ask for missing judge verdicts.")] = None,
    judge_usd: Annotated[float, typer.Option(min=0, help="Maximum cost of the judge in this run, in USD.")] = 5.0,
    config: Config = None,
) -> None:
    """Score recorded pairs from files, store them, and show where the candidate is worse.

    Stores to the database of shadow.toml, or else to an embedded PostgreSQL in .shadow/postgres. A
    pair that is stored already is not stored again, unless it lacked a reply that it has now. Requests and
    replies are stored as the file has them; --redact replaces personal data and secrets in them. With
    --judge, a model judges the pairs that have no verdict yet, in both orders. Bad lines are listed
    by number, and the others are processed. Exits 3 if there were bad lines, and 0 otherwise.

    Example: shadow replay pairs.jsonl.gz --scorer numeric --json evidence.json

    Example: shadow replay production.jsonl --redact
    """
    from scoring.scorers import SCORERS
    from shadow.cli.replay.run import run
    from shadow.cli.replay.summary import print_summary
    from shadow.garbage_collection import collect_less_often
    from shadow.settings import load

    collect_less_often()
    settings = load(config)
    ask: dict[Role, str] = {}
    if frontier:
        ask["frontier"] = frontier
    if candidate:
        ask["candidate"] = candidate
    if scorer is not None and scorer not in SCORERS:
        raise UsageError(f"--scorer {scorer}: no such scorer; choose one of: {SCORER_NAMES}")
    done = run(
        files,
        settings,
        task=task,
        scorer=scorer,
        store=not dry_run,
        ask=ask,
        judge=judge,
        judge_usd=judge_usd,
        redact=redact,
    )
    from shadow.cli.output import evidence_table

    try:
        if json is not None:
            evidence_table.write_json(json, done.evidence)
        if json != STANDARD:
            evidence_table.show(done.evidence, dimension=segment)
    finally:
        print_summary(done)
    if not done.totals.lines and not done.totals.bad:
        raise UsageError("there is no line to score" + (f" of task {task!r}" if task else ""))
    if done.is_incomplete:
        raise typer.Exit(EXIT_INCOMPLETE)
