"""Labels and verdicts for the pairs of `store_samples`, and short ways to record them."""

from typing import Any

from sqlalchemy import Engine

from shadow.records import Preference
from shadow.store.feedback import labels as stored_labels
from shadow.store.feedback import verdicts as stored_verdicts
from shadow.store.feedback.labels import Label, RecordedLabels
from shadow.store.feedback.verdicts import PairVerdict
from shadow.store.rows.names import PairKey
from shadow.store.schema import engine
from tests.support.store_samples import START, Scored


def key_of(pair: Scored) -> PairKey:
    trial = pair[0]
    return PairKey(trial.exchange.task, trial.exchange.at, trial.exchange.id, trial.kind, trial.candidate)


def label(pair: Scored, preference: Preference = "frontier", reviewer: str = "ana", **changes: Any) -> Label:
    given: dict[str, Any] = {"labelled_at": START, "reviewer": reviewer, "preference": preference}
    return Label(**(key_of(pair)._asdict() | given | changes))


def verdict(pair: Scored, preference: Preference = "frontier", **changes: Any) -> PairVerdict:
    return PairVerdict(**(key_of(pair)._asdict() | {"judge": "judge-70b", "preference": preference} | changes))


def record(database: Engine, *labels: Label) -> RecordedLabels:
    with engine.transaction(database) as connection:
        return stored_labels.record_labels(connection, labels)


def judge(database: Engine, *verdicts: PairVerdict) -> int:
    with engine.transaction(database) as connection:
        return stored_verdicts.record_verdicts(connection, verdicts)


def remove(database: Engine, pair: Scored, reviewer: str = "ana") -> Label | None:
    with engine.transaction(database) as connection:
        return stored_labels.remove_label(connection, key_of(pair), reviewer)
