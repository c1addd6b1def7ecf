"""Scores recorded pairs, and counts them into the same tallies that the store keeps.

    Batch    the result of a run of lines: counted, but not yet spread over the cells of the tallies
    Replay   the totals: batches are added to it in the order of the file

`score` makes a batch and depends on nothing but its arguments, so batches may come from several
processes. What stays in memory is the tallies, whose size depends on the hours and the segments
and not on the number of lines, and a few numbers for each unit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from scoring.compare import scored, texts_to_embed
from scoring.scorers.meaning.fetched import Embeddings, Text
from shadow.aggregates import counting, tally, unit_scores
from shadow.aggregates.cardinality import TaskDay, Values, cap_segments, task_day
from shadow.aggregates.tally import Cell, Combination, Tally
from shadow.aggregates.unit_scores import UnitScoresByCandidate
from shadow.pairs_file import BadLine, RecordedPair, trials
from shadow.records import Comparison, Trial
from shadow.settings import TaskSettings

#: Bad lines that are kept to be shown; all are counted.
MAX_BAD_LINES: Final = 20

#: Neighbouring lines have the same segments and hour, and are spread over the cells together:
#: this number of different combinations at a time.
_MAX_COMBINATIONS: Final = 2_000

#: Beside the limit of values of a day (`aggregates.cardinality`), which the store has too: the maximum
#: number of values of a task's dimension in all days together. It bounds the memory.
MAX_VALUES: Final = 20_000


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How lines are scored: with the `tasks`' own scorers, or all with `scorer`.

    With `only`, lines of other tasks are skipped. `keep_pairs` keeps the scored pairs, to be stored.
    """

    tasks: Mapping[str, TaskSettings]
    scorer: str | None = None
    only: str | None = None
    keep_pairs: bool = False


@dataclass(slots=True)
class Batch:
    """The result of a run of lines.

    `bad_lines` holds the first bad lines, and `bad` counts all. `pairs` holds, for each pair, the
    number of its line; it is empty unless pairs are kept.
    """

    counted: dict[Combination, Tally] = field(default_factory=dict)
    units: UnitScoresByCandidate = field(default_factory=dict)
    lines: int = 0
    bad: int = 0
    bad_lines: list[BadLine] = field(default_factory=list)
    pairs: list[tuple[int, Trial, Comparison]] = field(default_factory=list)


def texts_of(lines: Iterable[RecordedPair | BadLine], how: Scoring) -> list[Text]:
    """The texts of which the scorers of these lines need embeddings of an endpoint."""
    return [
        text
        for line in lines
        if not isinstance(line, BadLine)
        for trial in trials(line)
        for text in texts_to_embed(trial, how.tasks.get(line.exchange.task), scorer=how.scorer)
    ]


def score(lines: Iterable[RecordedPair | BadLine], how: Scoring, *, embeddings: Embeddings | None = None) -> Batch:
    """Score and count the pairs of `lines`. `embeddings` are those of the texts that `texts_of` names."""
    batch = Batch()
    scored_pairs: list[counting.Counted] = []
    for line in lines:
        if isinstance(line, BadLine):
            batch.bad += 1
            if len(batch.bad_lines) < MAX_BAD_LINES:
                batch.bad_lines.append(line)
            continue
        task = line.exchange.task
        if how.only is not None and task != how.only:
            continue
        batch.lines += 1
        settings = how.tasks.get(task)
        pairs = [scored(trial, settings, scorer=how.scorer, embeddings=embeddings) for trial in trials(line)]
        for pair in pairs:
            scored_pairs.append((*pair, counting.pair_facts(*pair)))
            unit_scores.count(batch.units, *pair)
        counting.count_excess(batch.counted, pairs)
        if how.keep_pairs:
            batch.pairs += [(line.number, *pair) for pair in pairs]
    counting.count_pairs(batch.counted, scored_pairs)  # together, which is faster
    return batch


@dataclass(slots=True)
class Replay:
    """The totals over all batches. `tallies` is complete after `finish`.

    `bad_lines` holds the first bad lines, each with the name of its file, and `bad` counts all.
    """

    tallies: dict[Cell, Tally] = field(default_factory=dict)
    units: UnitScoresByCandidate = field(default_factory=dict)
    lines: int = 0
    bad: int = 0
    bad_lines: list[tuple[str, BadLine]] = field(default_factory=list)
    _counted: dict[Combination, Tally] = field(default_factory=dict)
    _values: dict[str, Values] = field(default_factory=dict)
    _values_of_days: dict[TaskDay, Values] = field(default_factory=dict)

    def add(self, batch: Batch, *, name: str = "") -> None:
        """Add the next batch of the file `name`."""
        self.lines += batch.lines
        self.bad += batch.bad
        left = MAX_BAD_LINES - len(self.bad_lines)
        self.bad_lines += [(name, line) for line in batch.bad_lines[:left]]
        unit_scores.merge(self.units, batch.units)
        for combination, counted in batch.counted.items():
            if (known := self._counted.setdefault(combination, counted)) is not counted:
                known.merge(counted)
        if len(self._counted) >= _MAX_COMBINATIONS:
            self.finish()

    def finish(self) -> None:
        """Spread over the cells what has been counted since the last time."""
        within = cap_segments(self._counted, self._values, group=attrgetter("task"), max_values=MAX_VALUES)
        within = cap_segments(within, self._values_of_days, group=task_day)
        tally.spread(self.tallies, within)
        self._counted = {}
