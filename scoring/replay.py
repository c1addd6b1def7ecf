"""Recorded pairs judged, and counted into the same tallies that the store keeps.

Nothing here reads a file or a database: lines come in, scored pairs go out one at a time, and
what is left in memory is the tallies, whose size depends on the hours and the segments and not on
the number of lines, and a few numbers for each unit.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from scoring.compare import scored
from shadow.aggregates import counting, tally, unit_scores
from shadow.aggregates.cardinality import TaskDay, Values, cap_segments, task_day
from shadow.aggregates.tally import Cell, Combination, Tally
from shadow.aggregates.unit_scores import UnitScoresByCandidate
from shadow.pairs_file import BadLine, RecordedPair, trials
from shadow.records import Comparison, Trial
from shadow.settings import TaskSettings

#: So many broken lines are kept to be shown; all are counted.
MOST_BAD_LINES: Final = 20

#: Neighbouring lines share their combination of segments and hour, and are spread over the cells
#: together: that many combinations at a time.
_MOST_COMBINATIONS: Final = 2_000

#: Beside the limit of values of a day (`aggregates.cardinality`), which the store has too: the maximum
#: number of values of a task's dimension in all days together. It bounds the memory.
MAX_VALUES: Final = 20_000


@dataclass(slots=True)
class Replay:
    """What has come of the lines so far. `bad_lines` are the first broken ones, `bad` counts all.

    `number` is that of the line whose pairs are being given on.
    """

    tallies: dict[Cell, Tally] = field(default_factory=dict)
    units: UnitScoresByCandidate = field(default_factory=dict)
    lines: int = 0
    number: int = 0
    bad: int = 0
    bad_lines: list[tuple[str, BadLine]] = field(default_factory=list)
    _values: dict[str, Values] = field(default_factory=dict)
    _values_of_days: dict[TaskDay, Values] = field(default_factory=dict)

    def judged(
        self,
        lines: Iterable[RecordedPair | BadLine],
        tasks: Mapping[str, TaskSettings],
        *,
        name: str = "",
        only: str | None = None,
        scorer: str | None = None,
    ) -> Iterator[tuple[Trial, Comparison]]:
        """Score and count each line's pairs, and give them on.

        `name` says which file the lines are from, `only` passes over the lines of other tasks,
        `scorer` overrides the tasks' own. The tallies are complete once this has ended.
        """
        counted: dict[Combination, Tally] = {}
        try:
            for line in lines:
                if isinstance(line, BadLine):
                    self._add_bad(name, line)
                    continue
                task = line.exchange.task
                if only is not None and task != only:
                    continue
                self.lines += 1
                self.number = line.number
                pairs = [scored(trial, tasks.get(task), scorer=scorer) for trial in trials(line)]
                self._count(counted, pairs)
                yield from pairs
        finally:
            self._spread(counted)

    def _count(self, counted: dict[Combination, Tally], pairs: Sequence[tuple[Trial, Comparison]]) -> None:
        for pair in pairs:
            counting.count_combination(counted, *pair)
            unit_scores.count(self.units, *pair)
        counting.count_excess(counted, pairs)
        if len(counted) >= _MOST_COMBINATIONS:
            self._spread(counted)
            counted.clear()

    def _spread(self, counted: Mapping[Combination, Tally]) -> None:
        within = cap_segments(counted, self._values, group=attrgetter("task"), max_values=MAX_VALUES)
        within = cap_segments(within, self._values_of_days, group=task_day)
        tally.spread(self.tallies, within)

    def _add_bad(self, name: str, line: BadLine) -> None:
        self.bad += 1
        if len(self.bad_lines) < MOST_BAD_LINES:
            self.bad_lines.append((name, line))
