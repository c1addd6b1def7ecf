"""What made-up people and judges say of made-up pairs."""

from typing import Any

from sqlalchemy import Engine

from shadow.records import Preference
from shadow.store.feedback import labels as stored_labels
from shadow.store.feedback.labels import Given, JudgeVerdict, Label, PairName
from shadow.store.schema import engine
from tests.support.store_samples import START, Scored


def name_of(pair: Scored) -> PairName:
    trial = pair[0]
    return PairName(trial.exchange.task, trial.exchange.at, trial.exchange.id, trial.kind, trial.candidate)


def label(pair: Scored, preference: Preference = "frontier", reviewer: str = "ana", **changes: Any) -> Label:
    given: dict[str, Any] = {"labelled_at": START, "reviewer": reviewer, "preference": preference}
    return Label(**(name_of(pair)._asdict() | given | changes))


def verdict(pair: Scored, preference: Preference = "frontier", **changes: Any) -> JudgeVerdict:
    return JudgeVerdict(**(name_of(pair)._asdict() | {"judge": "judge-70b", "preference": preference} | changes))


def say(database: Engine, *labels: Label) -> Given:
    with engine.transaction(database) as connection:
        return stored_labels.record_labels(connection, labels)


def judge(database: Engine, *verdicts: JudgeVerdict) -> int:
    with engine.transaction(database) as connection:
        return stored_labels.record_verdicts(connection, verdicts)


def take_back(database: Engine, pair: Scored, reviewer: str = "ana") -> Label | None:
    with engine.transaction(database) as connection:
        return stored_labels.remove_label(connection, name_of(pair), reviewer)
