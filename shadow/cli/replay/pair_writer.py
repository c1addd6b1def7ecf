"""Writes the pairs of `shadow replay` to the database."""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Engine

from shadow.errors import RedactionError
from shadow.records import Comparison, Trial
from shadow.redact import Redactor
from shadow.store.schema import engine
from shadow.store.write import ingest
from shadow.store.write.ingest import Arrival
from shadow.store.write.skip_bad_rows import write_all_but_bad

#: Pairs written in one transaction.
BATCH: Final = 500

#: Rejected pairs whose reason is kept to be shown; all are counted.
MAX_REASONS: Final = 20


class PairWriter:
    """Stores scored pairs in batches, redacted where there is a `redactor`.

    `new` counts pairs that were not stored before, and `known` those that were: they stay
    unchanged and count once. `rejected` counts exchanges that cannot be stored (a text with a NUL
    or a lone surrogate, an event older than the retention) or redacted; `reasons` describes the first.
    """

    def __init__(self, database: Engine, redactor: Redactor | None = None) -> None:
        self.redacts = redactor is not None
        self._engine = database
        self._redactor = redactor
        self._waiting: list[tuple[Trial, Comparison]] = []
        self._lines: dict[str, str] = {}
        self.new = self.known = self.rejected = 0
        self.reasons: list[str] = []

    def add(self, trial: Trial, comparison: Comparison, *, line: str = "") -> None:
        """Store a pair with the next batch. `line` is the file and line that it was read from."""
        if self._redactor is not None:
            try:
                trial, comparison = _redacted(self._redactor, trial, comparison)
            except RedactionError as error:
                self._reject(f"{line}: {trial.exchange.id} cannot be redacted: {error}")
                return
        self._lines[trial.exchange.id] = line
        self._waiting.append((trial, comparison))
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Store the pairs that wait for their batch to fill."""
        pairs, self._waiting = self._waiting, []
        bad = write_all_but_bad(pairs, self._write, exchange_id=_exchange_id)
        reasons = {_exchange_id(pair): str(error) for pair, error in bad}
        for exchange_id, reason in reasons.items():
            self._reject(f"{self._lines[exchange_id]}: {exchange_id} cannot be stored: {reason}")
        self._lines.clear()

    def _reject(self, reason: str) -> None:
        self.rejected += 1
        if len(self.reasons) < MAX_REASONS:
            self.reasons.append(reason)

    def _write(self, pairs: Sequence[tuple[Trial, Comparison]]) -> None:
        arrivals = [Arrival(trial.exchange.id, trial.exchange.task, trial.exchange.at) for trial, _ in pairs]
        with engine.transaction(self._engine) as connection:
            new = ingest.record(connection, arrivals=arrivals, trials=pairs).trials
        self.new += new
        self.known += len(pairs) - new


def _redacted(redactor: Redactor, trial: Trial, comparison: Comparison) -> tuple[Trial, Comparison]:
    """The pair as it is stored: scored as it was recorded, and then redacted. `detail` quotes the replies."""
    exchange, reply = redactor.exchange(trial.exchange), redactor.reply(trial.reply)
    detail = redactor.value(comparison.detail)
    return (
        msgspec.structs.replace(trial, exchange=exchange, reply=reply),
        msgspec.structs.replace(comparison, detail=detail),
    )


def _exchange_id(pair: tuple[Trial, Comparison]) -> str:
    return pair[0].exchange.id
