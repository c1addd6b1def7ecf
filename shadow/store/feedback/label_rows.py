"""What people say of pairs, as rows of `labels`: one voice for each pair and reviewer."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import Connection, and_, bindparam, delete, select

from shadow.aggregates.regret_sources import consensus
from shadow.aggregates.tally import utc
from shadow.records import Preference, TrialKind
from shadow.store.feedback.pair_opinions import Standing
from shadow.store.rows import json_rows
from shadow.store.rows.encode import SMALLEST_PROBABILITY
from shadow.store.rows.names import PairKey, storable_name, storable_text
from shadow.store.schema.tables import labels
from shadow.store.write import bulk_write

#: The name of a stored pair.
PairName: TypeAlias = PairKey

#: The reviewer, and the stratum, of labels that came with their pair.
RECORDED: Final = "recorded"

#: Longer notes are cut.
MAX_NOTE: Final = 2_000


class AboutPair(msgspec.Struct, frozen=True, kw_only=True):
    """What is about one stored pair, and names it."""

    task: str
    at: datetime
    exchange_id: str
    kind: TrialKind
    candidate: str

    @property
    def pair(self) -> PairName:
        """The name under which the pair is stored."""
        return stored_name(PairName(self.task, self.at, self.exchange_id, self.kind, self.candidate))


class Label(AboutPair, frozen=True, kw_only=True):
    """What one person says of one pair: whose reply is better.

    `probability` is the chance, in (0, 1], with which the pair was chosen to be labelled, and
    `stratum` what it was chosen from. `note` is the person's own text: whoever takes it in (the
    page, the command) passes it through `shadow.redact` first; here it is only cut to length.
    """

    reviewer: str
    preference: Preference
    probability: float = 1.0
    stratum: str = ""
    note: str = ""
    labelled_at: datetime


def stored_name(name: PairName) -> PairName:
    """`name` as it is written in the tables; almost always itself."""
    return PairName(
        storable_name(name.task),
        utc(name.at),
        storable_name(name.exchange_id),
        name.kind,
        storable_name(name.candidate),
    )


def storable(label: Label) -> Label:
    """`label` as PostgreSQL can keep it. ValueError for an impossible probability."""
    check(label.probability)
    return Label(
        **label.pair._asdict(),
        reviewer=storable_name(label.reviewer),
        preference=label.preference,
        probability=label.probability,
        stratum=storable_name(label.stratum),
        note=storable_text(label.note)[:MAX_NOTE],
        labelled_at=utc(label.labelled_at),
    )


def check(probability: float) -> None:
    if not SMALLEST_PROBABILITY <= probability <= 1:
        raise ValueError(f"a probability must be in (0, 1], not {probability}")


def newest_of(given: Iterable[Label]) -> dict[tuple[PairName, str], Label]:
    """Of each pair and reviewer the newest word."""
    newest: dict[tuple[PairName, str], Label] = {}
    for label in given:
        known = newest.get((label.pair, label.reviewer))
        if is_newer(label, known):
            newest[label.pair, label.reviewer] = label
    return newest


def is_newer(label: Label, known: Label | None) -> bool:
    """Whether a reviewer's `label` takes the place of what they said before."""
    return known is None or _age(label) > _age(known)


def _age(label: Label) -> tuple[Any, ...]:
    # The rest decides between two words of one moment: any rule will do that knows no order of arrival.
    return label.labelled_at, label.preference, label.probability, label.stratum, label.note


def of_pairs(connection: Connection, pairs: Mapping[PairName, Standing]) -> dict[PairName, dict[str, Label]]:
    """What each reviewer says of locked pairs, by name. A label that came with its pair, and has
    no row as long as nobody else spoke, is among them.
    """
    voices: dict[PairName, dict[str, Label]] = {name: {} for name in pairs}
    document = json_rows.document([name._asdict() for name in pairs])
    for row in connection.execute(_OF_PAIRS, {"rows": document}):
        label = Label(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
        voices[label.pair][label.reviewer] = label
    for name, pair in pairs.items():
        if pair.human is not None and not voices[name]:
            voices[name][RECORDED] = Label(
                **name._asdict(),
                reviewer=RECORDED,
                preference=pair.human,
                probability=pair.human_probability or 1.0,
                stratum=RECORDED,
                labelled_at=name.at,
            )
    return voices


def heard(pair: Standing, voices: Iterable[Label]) -> Standing:
    """How a pair stands that these are all the labels of."""
    every = list(voices)
    return pair._replace(
        human=consensus(label.preference for label in every),
        human_probability=max((label.probability for label in every), default=None),
    )


def save(connection: Connection, voices: Iterable[Label]) -> None:
    """Write labels of locked pairs, new ones and others."""
    rows = [msgspec.structs.asdict(voice) for voice in voices]
    if rows:
        connection.execute(_SAVE, {"rows": json_rows.document(rows)})


def remove(connection: Connection, voice: Label) -> None:
    """Delete a label of a locked pair."""
    connection.execute(_REMOVE, {**voice.pair._asdict(), "reviewer": voice.reviewer})


KEY: Final = list(labels.primary_key.columns)
PAIR: Final = [labels.c[name] for name in PairName._fields]


_saving = bulk_write.insert_rows(labels)
_SAVE: Final = _saving.on_conflict_do_update(
    index_elements=KEY,
    set_={column.name: _saving.excluded[column.name] for column in labels.columns if column not in KEY},
)
_wanted = json_rows.parameter_rows(*PAIR)
_OF_PAIRS: Final = select(labels).where(and_(*(column == _wanted.c[column.name] for column in PAIR)))
_REMOVE: Final = delete(labels).where(and_(*(column == bindparam(column.name) for column in KEY)))
