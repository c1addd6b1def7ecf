"""What `shadow replay` does: reads files, completes, scores and stores their pairs, computes the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from scoring.compare import embedding_models
from scoring.replay import Replay, Scoring, score, texts_of
from scoring.scorers import require
from shadow import pairs_file
from shadow.cli.output.files import STANDARD, open_input
from shadow.cli.output.terminal import plain
from shadow.cli.replay.workers import NamedBatch, NamedChunk, default_processes, score_chunks
from shadow.pairs_file import BadLine, RecordedPair
from shadow.records import Role
from shadow.settings import Settings

if TYPE_CHECKING:  # they load SciPy, and SQLAlchemy and an HTTP client, which a dry run needs not
    from scoring.evidence.report import TaskEvidence
    from shadow.cli.replay.judge import ReplayJudge
    from shadow.cli.replay.models import ReplayModels
    from shadow.cli.replay.pair_writer import PairWriter

#: Lines of a batch whose pairs are completed by asking models.
_ASKED_LINES: Final = 500

#: Asked lines between two updates of the progress bar.
_UPDATE_EVERY: Final = 100


@dataclass(frozen=True, kw_only=True)
class Done:
    """The result of a replay. `writer` is None for a dry run, `models` and `judge` if none was asked."""

    totals: Replay
    evidence: Sequence[TaskEvidence]
    writer: PairWriter | None
    models: ReplayModels | None
    judge: ReplayJudge | None

    @property
    def is_incomplete(self) -> bool:
        """Whether some lines could not be read, stored or paid for."""
        rejected = self.writer.rejected if self.writer else 0
        unaffordable = self.judge.unaffordable if self.judge else 0
        return bool(self.totals.bad or rejected or unaffordable)


def run(
    files: Sequence[Path],
    settings: Settings,
    *,
    task: str | None = None,
    scorer: str | None = None,
    store: bool = False,
    ask: Mapping[Role, str] | None = None,
    judge: str | None = None,
    judge_usd: float = 0.0,
    redact: bool = False,
    processes: int | None = None,
) -> Done:
    """Score the pairs of `files`. `ask` names the model of each role to ask for missing replies.

    Models are asked in one process; otherwise large files are scored in `processes`, by default
    one for each processor. The result is the same. Pairs are scored as recorded; with `redact`, what is
    stored of them is redacted. Raises UsageError for what cannot be used, and ConfigError for a
    scorer that is not installed.
    """
    used = {name: spec for name, spec in settings.tasks.items() if task in (None, name)}
    require(used, override=scorer)
    totals = Replay()
    writer, models, votes = None, None, None
    how = Scoring(tasks=settings.tasks, scorer=scorer, only=task, keep_pairs=store)
    with ExitStack() as stack:
        # All files are opened before the first is read, so that a mistake shows at once.
        streams = [(file, stack.enter_context(open_input(file))) for file in files]
        engine = None
        if store:
            from shadow.cli.replay.pair_writer import PairWriter
            from shadow.cli.runtime.storage import open_database
            from shadow.redact import Redactor

            engine = stack.enter_context(open_database(settings, create=True))
            writer = PairWriter(engine, Redactor.of(settings) if redact else None)
        if judge:
            from shadow.cli.replay.judge import ReplayJudge

            votes = ReplayJudge(settings, judge, usd=judge_usd, engine=engine)
        if ask or votes or embedding_models(used, scorer=scorer):
            from consumers.embedding_models import EmbeddingModels
            from shadow.cli.replay.models import ReplayModels

            embedding = EmbeddingModels(settings, used, scorer=scorer)
            models = stack.enter_context(ReplayModels(settings, dict(ask or {}), votes, embedding or None))
        progress = stack.enter_context(_progress())
        if models is None:
            chunks = _chunks(streams, progress)
            batches = score_chunks(
                chunks, how, processes=processes or default_processes(), while_starting=_import_evidence
            )
        else:
            batches = _completed(streams, models, how, progress)
        for name, batch in batches:
            totals.add(batch, name=name)
            if writer is not None:
                for number, trial, comparison in batch.pairs:
                    writer.add(trial, comparison, line=f"{name}:{number}")
        totals.finish()
        if writer is not None:
            writer.flush()
        if votes is not None:
            votes.record()
    found = _import_evidence().evidence(totals.tallies, tasks=settings.tasks, units=totals.units)
    return Done(totals=totals, evidence=found, writer=writer, models=models, judge=votes)


def _import_evidence() -> ModuleType:
    """The module that computes evidence. It imports SciPy, which takes as long as scoring ten thousand pairs."""
    return import_module("scoring.evidence.report")


def _chunks(streams: Sequence[tuple[Path, BinaryIO]], progress: Progress) -> Iterator[NamedChunk]:
    """The chunks of all files. The progress bar moves by the bytes that are read."""
    for file, stream in streams:
        bar = _Bar(progress, file, stream)
        for chunk in pairs_file.chunks(stream):
            lines = chunk.number + (0 if isinstance(chunk, BadLine) else chunk.content.count(b"\n") - 1)
            yield str(file), chunk
            bar.update(lines)


def _completed(
    streams: Sequence[tuple[Path, BinaryIO]], models: ReplayModels, how: Scoring, progress: Progress
) -> Iterator[NamedBatch]:
    """Batches of lines whose missing replies and verdicts are filled in, with the embeddings that are compared."""
    for file, stream in streams:
        lines: Iterable[RecordedPair | BadLine] = _watched(pairs_file.read(stream), stream, file, progress)
        # Lines of other tasks are skipped before their replies are asked for.
        lines = (line for line in lines if isinstance(line, BadLine) or how.only in (None, line.exchange.task))
        completed = models.complete(lines)
        while lines_of_batch := list(islice(completed, _ASKED_LINES)):
            embeddings = models.embed(texts_of(lines_of_batch, how))
            yield str(file), score(lines_of_batch, how, embeddings=embeddings)


def _watched(
    lines: Iterable[RecordedPair | BadLine], stream: BinaryIO, file: Path, progress: Progress
) -> Iterator[RecordedPair | BadLine]:
    bar = _Bar(progress, file, stream)
    for line in lines:
        yield line
        if line.number % _UPDATE_EVERY == 0:
            bar.update(line.number)


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[lines]:,} lines"), TimeRemainingColumn()
    )  # fmt: skip
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


class _Bar:
    """A file's line of the progress bar. The size of a pipe is not known, so only its lines are shown."""

    def __init__(self, progress: Progress, file: Path, stream: BinaryIO) -> None:
        self._progress = progress
        self._stream = stream
        self._size = None if file == STANDARD else file.stat().st_size or None
        self._task = progress.add_task(plain(file.name), total=self._size, lines=0)

    def update(self, lines: int) -> None:
        self._progress.update(self._task, completed=self._stream.tell() if self._size else None, lines=lines)
