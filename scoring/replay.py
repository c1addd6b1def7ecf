"""Recorded pairs judged, and counted into the same tallies that the store keeps.

Nothing here reads a file or a database: lines come in, scored pairs go out one at a time, and
what is left in memory is the tallies, whose size depends on the hours and the segments and not on
the number of lines, and a few numbers for each unit.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from scoring.compare import scored
from shadow.aggregates import counting, per_unit, tally
from shadow.aggregates.per_unit import UnitTallies
from shadow.aggregates.tally import Cell, Combination, Tally
from shadow.pairs_file import BadLine, RecordedPair, trials
from shadow.records import Comparison, Trial
from shadow.settings import TaskSettings

#: So many broken lines are kept to be shown; all are counted.
MOST_BAD_LINES: Final = 20

#: Neighbouring lines share their combination of segments and hour, and are spread over the cells
#: together: that many combinations at a time.
_MOST_COMBINATIONS: Final = 2_000

#: Most values of a task's dimension that are told apart; what comes after them is counted together,
#: as OVERFLOW. An id gone astray has a value for each line, and no memory for them all.
MOST_VALUES: Final = 2_000


@dataclass(slots=True)
class Replay:
    """What has come of the lines so far. `bad_lines` are the first broken ones, `bad` counts all.

    `number` is that of the line whose pairs are being given on.
    """

    tallies: dict[Cell, Tally] = field(default_factory=dict)
    units: UnitTallies = field(default_factory=dict)
    lines: int = 0
    number: int = 0
    bad: int = 0
    bad_lines: list[tuple[str, BadLine]] = field(default_factory=list)
    _values: dict[tuple[str, str], set[str]] = field(default_factory=dict)

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
            per_unit.count(self.units, *pair)
        counting.count_excess(counted, pairs)
        if len(counted) >= _MOST_COMBINATIONS:
            self._spread(counted)
            counted.clear()

    def _spread(self, counted: Mapping[Combination, Tally]) -> None:
        within: dict[Combination, Tally] = {}
        for combination, found in counted.items():
            kept = tuple(
                (name, self._told_apart(combination.task, name, value)) for name, value in combination.segments
            )
            if (known := within.setdefault(combination._replace(segments=kept), found)) is not found:
                known.merge(found)
        tally.spread(self.tallies, within)

    def _told_apart(self, task: str, dimension: str, value: str) -> str:
        known = self._values.setdefault((task, dimension), set())
        if value not in known and len(known) >= MOST_VALUES:
            return tally.OVERFLOW
        known.add(value)
        return value

    def _add_bad(self, name: str, line: BadLine) -> None:
        self.bad += 1
        if len(self.bad_lines) < MOST_BAD_LINES:
            self.bad_lines.append((name, line))
