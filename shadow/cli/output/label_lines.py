"""Labels as JSON lines: the format that `shadow label` writes and reads.

    {"id": "1", "label": "frontier", "reviewer": "ana"}

Required are id, label (the better reply: frontier, candidate or tie) and reviewer; task, at, kind
and candidate only if several stored pairs have the id. `probability` is the probability with which
the pair was chosen for labelling (1 by default), `stratum` the stratum that it was chosen from. As
in a pairs file, an id may be the task's own (`1`) or the stored one (`ticket-intent/1`).
"""

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, BinaryIO, Final, TypeAlias, cast

import msgspec

from shadow.aggregates.tally import utc
from shadow.pairs_file import BadLine
from shadow.records import Preference, TrialKind
from shadow.store.feedback.labels import Label
from shadow.store.rows.encode import SMALLEST_PROBABILITY
from shadow.store.rows.names import PairKey, storable_name

#: Longer lines are bad lines, in bytes.
MAX_LINE: Final = 2**20

_GZIP: Final = b"\x1f\x8b"
_Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
_Named: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]


class LabelLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the file."""

    task: _Named | None = None
    id: _Named | int
    at: _Moment | None = None
    kind: TrialKind | None = None
    candidate: str | None = None
    reviewer: _Named
    label: Preference
    probability: Annotated[float, msgspec.Meta(ge=SMALLEST_PROBABILITY, le=1)] = 1.0
    stratum: str = ""
    note: str = ""
    labelled_at: _Moment | None = None

    def ids(self) -> list[str]:
        """The ids under which the exchange may be stored, the most likely first."""
        given = str(self.id)
        return (
            [storable_name(given)]
            if self.task is None
            else [storable_name(given), storable_name(f"{self.task}/{given}")]
        )

    def matching(self, stored: Sequence[PairKey]) -> list[PairKey]:
        """The `stored` pairs that match all keys of this line."""
        wanted = {
            "task": None if self.task is None else storable_name(self.task),
            "at": None if self.at is None else utc(self.at),
            "kind": self.kind,
            "candidate": None if self.candidate is None else storable_name(self.candidate),
        }
        return [key for key in stored if all(value in (None, getattr(key, name)) for name, value in wanted.items())]

    def label_of(self, pair: PairKey, *, note: str, now: datetime) -> Label:
        """This line as a label of the stored `pair`. `note` is the line's, redacted."""
        of_pair: dict[str, Any] = pair._asdict()
        return Label(
            **of_pair,
            reviewer=self.reviewer,
            preference=self.label,
            probability=self.probability,
            stratum=self.stratum,
            note=note,
            labelled_at=self.labelled_at or now,
        )


def line_of(label: Label) -> LabelLine:
    """A stored label as a line. Importing the line gives the same label again."""
    return LabelLine(
        task=label.task,
        id=label.exchange_id,
        at=label.at,
        kind=label.kind,
        candidate=label.candidate,
        reviewer=label.reviewer,
        label=label.preference,
        probability=label.probability,
        stratum=label.stratum,
        note=label.note,
        labelled_at=label.labelled_at,
    )


def read(stream: BinaryIO) -> Iterator[tuple[int, LabelLine | BadLine]]:
    """The lines of a file with their numbers, without blank lines. Gzip is recognised by its content."""
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", stream))
    compressed = buffered.peek(2)[:2] == _GZIP
    lines = cast("BinaryIO", gzip.GzipFile(fileobj=buffered)) if compressed else buffered
    number = 0
    try:
        while line := lines.readline(MAX_LINE):
            number += 1
            if not line.endswith(b"\n") and len(line) == MAX_LINE:
                while line and not line.endswith(b"\n"):
                    line = lines.readline(MAX_LINE)
                yield number, BadLine(number=number, reason=f"longer than {MAX_LINE >> 20} MiB")
            elif line.strip():
                yield number, _read_line(number, line)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        number += 1
        yield number, BadLine(number=number, reason=f"the compressed file is damaged from here on ({error})")


def _read_line(number: int, line: bytes) -> LabelLine | BadLine:
    try:
        return _decoder.decode(line.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return BadLine(number=number, reason=str(error)[:300] or type(error).__name__)


_decoder: Final = msgspec.json.Decoder(LabelLine)
