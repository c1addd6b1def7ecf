"""`shadow replay`"""

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from scoring.evidence.report import evidence
from scoring.judge import NANOS_PER_USD
from scoring.replay import Replay
from scoring.scorers import SCORERS
from shadow import pairs_file
from shadow.cli.output import evidence_table
from shadow.cli.output.evidence_table import STANDARD, plain, write_json
from shadow.cli.runtime.replay_judge import ReplayJudge
from shadow.cli.runtime.replay_models import Line, Live
from shadow.cli.runtime.storage import Keeper, database
from shadow.errors import UsageError
from shadow.pairs_file import RecordedPair
from shadow.records import Role
from shadow.settings import load

#: Exit code when everything was done, but some lines could not be read, kept or paid for.
INCOMPLETE: Final = 3

_EVERY: Final = 500  # lines between two updates of the progress bar


def command(
    files: Annotated[list[Path], typer.Argument(help="Pairs files, plain or gzip; - for standard input.")],
    task: Annotated[str | None, typer.Option(help="Replay the lines of this task alone.")] = None,
    scorer: Annotated[str | None, typer.Option(help=f"Scorer for every task: {', '.join(sorted(SCORERS))}.")] = None,
    segment: Annotated[str | None, typer.Option(metavar="DIM", help="Show the segments of this dimension.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the evidence as JSON; - for output.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing.")] = False,
    candidate: Annotated[str | None, typer.Option(help="Model of shadow.toml to ask for missing candidates.")] = None,
    frontier: Annotated[str | None, typer.Option(help="Model of shadow.toml to ask for missing frontiers.")] = None,
    judge: Annotated[str | None, typer.Option(help="Model of shadow.toml to ask for missing judge votes.")] = None,
    judge_usd: Annotated[float, typer.Option(min=0, help="Most money the judge may cost in this run.")] = 5.0,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
) -> None:
    """Judge recorded pairs from files: score, store and show where the candidate is worse.

    Stores to the database of shadow.toml, or to an embedded PostgreSQL in .shadow/postgres.
    A file replayed twice is stored once, and a pair that lacked a reply when it was stored is
    completed by one that was asked for since. Exits 0 when every line was read and 3 when some
    were broken; those are listed by number, and the rest is judged all the same. With --judge,
    what a model prefers is asked for where nobody has said, in both orders.

    Example: shadow replay pairs.jsonl.gz --scorer numeric --json evidence.json
    """
    settings = load(config)
    if scorer is not None and scorer not in SCORERS:
        raise UsageError(f"--scorer {scorer}: no such scorer; there are: {', '.join(sorted(SCORERS))}")
    asked: dict[Role, str] = {}
    if frontier:
        asked["frontier"] = frontier
    if candidate:
        asked["candidate"] = candidate
    replay = Replay()
    with ExitStack() as stack:
        # Everything is opened first: a mistake should show before a long file is read.
        streams = [(file, stack.enter_context(_opened(file))) for file in files]
        engine = None if dry_run else stack.enter_context(database(settings, create=True))
        votes = ReplayJudge(settings, judge, usd=judge_usd, engine=engine) if judge else None
        live = stack.enter_context(Live(settings, asked, votes)) if asked or votes else None
        keeper = None if engine is None else Keeper(engine)
        progress = stack.enter_context(_progress())
        for file, stream in streams:
            lines = _watched(pairs_file.read(stream), stream, file, progress)
            # Others are passed over before anybody is asked about them.
            lines = (line for line in lines if task is None or not _is_of_another(line, task))
            lines = live.complete(lines) if live else lines
            for pair in replay.judged(lines, settings.tasks, name=str(file), scorer=scorer):
                if keeper is not None:
                    keeper.keep(*pair, line=f"{file}:{replay.number}")
        if keeper is not None:
            keeper.flush()
        if votes is not None:
            votes.record()
    found = evidence(replay.tallies, tasks=settings.tasks, units=replay.units)
    if json is not None:
        write_json(json, found)
    try:
        if json != STANDARD:
            evidence_table.show(found, dimension=segment)
    finally:
        _tell(replay, keeper, live, votes)
    if not replay.lines and not replay.bad:
        raise UsageError("there was no line to judge" + (f" of task {task!r}" if task else ""))
    if replay.bad or (keeper is not None and keeper.refused) or (votes is not None and votes.unaffordable):
        raise typer.Exit(INCOMPLETE)


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


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[lines]:,} lines"), TimeRemainingColumn()
    )  # fmt: skip
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _watched(lines: Iterable[Line], stream: BinaryIO, file: Path, progress: Progress) -> Iterator[Line]:
    """The lines as they come, with the bar moved by the bytes that were read."""
    size = None if file == STANDARD else file.stat().st_size or None
    bar = progress.add_task(plain(file.name), total=size, lines=0)
    for count, line in enumerate(lines, 1):
        if count % _EVERY == 0:
            progress.update(bar, completed=stream.tell() if size else None, lines=count)
        yield line


def _is_of_another(line: Line, task: str) -> bool:
    return isinstance(line, RecordedPair) and line.exchange.task != task


def _tell(replay: Replay, keeper: Keeper | None, live: Live | None, votes: ReplayJudge | None) -> None:
    """Say on standard error what was done."""
    for name, line in replay.bad_lines:
        print(f"{plain(name)}:{line.number}: {plain(line.reason)}", file=sys.stderr)
    if replay.bad > len(replay.bad_lines):
        print(f"… and {replay.bad - len(replay.bad_lines):,} more", file=sys.stderr)
    for refusal in keeper.refusals if keeper else ():
        print(plain(refusal), file=sys.stderr)
    if keeper is not None and keeper.refused > len(keeper.refusals):
        print(f"… and {keeper.refused - len(keeper.refusals):,} more that cannot be stored", file=sys.stderr)
    done = f"{replay.lines:,} lines read, {replay.bad:,} broken"
    if live is not None and live.asked:
        done += f", {live.asked:,} replies asked for"
    if votes is not None:
        done += _voted(votes)
    done += ", nothing stored" if keeper is None else _stored(keeper)
    print(done, file=sys.stderr)


def _stored(keeper: Keeper) -> str:
    said = f", {keeper.new:,} pairs newly stored"
    if keeper.known:
        said += f", {keeper.known:,} were there before and count once"
    if keeper.refused:
        said += f", {keeper.refused:,} cannot be stored"
    return said


def _voted(votes: ReplayJudge) -> str:
    said = f", {votes.judged:,} pairs judged by {votes.name} for ${votes.cost_nanousd / NANOS_PER_USD:.4f}"
    if votes.unjudged:
        said += f", {votes.unjudged.total():,} unjudged (first: {next(iter(votes.unjudged))})"
    if votes.unaffordable:
        said += f", {votes.unaffordable:,} not asked about: --judge-usd leaves no room"
    return said
