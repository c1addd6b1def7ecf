"""Reads labels from a file into the database, in batches."""

import sys
from collections.abc import Sequence
from itertools import islice
from typing import BinaryIO, Final, TypeAlias

from sqlalchemy import Engine

from shadow.cli.output import label_lines
from shadow.cli.output.label_lines import LabelLine
from shadow.cli.output.terminal import plain
from shadow.errors import RedactionError
from shadow.pairs_file import BadLine
from shadow.redact import Redactor
from shadow.store.feedback import labels as stored_labels
from shadow.store.feedback.labels import Label
from shadow.store.read import pairs as stored_pairs
from shadow.store.schema import engine
from shadow.wire import utc_now

#: Lines processed in one transaction.
BATCH: Final = 500

#: Bad lines that are shown one by one; all are counted.
MAX_SHOWN: Final = 20

NumberedLine: TypeAlias = tuple[int, LabelLine | BadLine]

_UNKNOWN: Final = "no such pair is stored"
_AMBIGUOUS: Final = "{} stored pairs match; choose one by `task`, `candidate`, `kind` or `at`"
_NOT_COMPARABLE: Final = "the pair does not have two replies that could be compared"


class LabelImport:
    """Stores the labels of a file, and counts its lines.

    `lines` counts all lines, `recorded` the labels that were new, `bad` the lines that cannot be used.
    """

    def __init__(self, database: Engine, redactor: Redactor) -> None:
        self._engine = database
        self._redactor = redactor
        self._first_bad: list[BadLine] = []
        self.lines = self.recorded = self.bad = 0

    def read(self, stream: BinaryIO) -> None:
        """Store all labels of `stream`."""
        lines = label_lines.read(stream)
        while batch := list(islice(lines, BATCH)):
            self._record(batch)

    def _record(self, lines: Sequence[NumberedLine]) -> None:
        """Store the labels of one batch, in one transaction."""
        bad = {number: line.reason for number, line in lines if isinstance(line, BadLine)}
        readable = {number: line for number, line in lines if isinstance(line, LabelLine)}
        with engine.transaction(self._engine) as connection:
            stored = stored_pairs.keys_of(connection, {name for line in readable.values() for name in line.ids()})
            labels: dict[int, Label] = {}
            for number, line in readable.items():
                matching = next((found for name in line.ids() if (found := line.matching(stored.get(name, [])))), [])
                if len(matching) == 1:
                    try:
                        labels[number] = line.label_of(matching[0], note=self._redactor.text(line.note), now=utc_now())
                    except RedactionError as error:
                        bad[number] = str(error)
                else:
                    bad[number] = _AMBIGUOUS.format(len(matching)) if matching else _UNKNOWN
            given = stored_labels.record_labels(connection, list(labels.values()))
        bad |= {number: _UNKNOWN for number, label in labels.items() if label.pair in given.unknown}
        bad |= {number: _NOT_COMPARABLE for number, label in labels.items() if label.pair in given.not_comparable}
        self.lines += len(lines)
        self.recorded += given.recorded
        self.bad += len(bad)
        left = MAX_SHOWN - len(self._first_bad)
        self._first_bad += [BadLine(number=number, reason=bad[number]) for number in sorted(bad)[:left]]

    def print_summary(self, name: str) -> None:
        """Print to standard error what was done, and the first bad lines of the file `name`."""
        for line in self._first_bad:
            print(f"{name}:{line.number}: {plain(line.reason)}", file=sys.stderr)
        if self.bad > len(self._first_bad):
            print(f"… and {self.bad - len(self._first_bad):,} more", file=sys.stderr)
        known = self.lines - self.bad - self.recorded
        print(
            f"{self.lines:,} lines read, {self.bad:,} unusable, {self.recorded:,} labels newly recorded"
            + (f", {known:,} already recorded or superseded" if known else ""),
            file=sys.stderr,
        )
