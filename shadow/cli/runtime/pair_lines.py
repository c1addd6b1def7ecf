"""Stored pairs as the lines of a pairs file."""

from collections.abc import Iterator
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from shadow import pairs_file
from shadow.records import Trial
from shadow.store.read import pairs as stored_pairs
from shadow.store.read.pairs import StoredPair


def pair_lines(connection: Connection, *, task: str | None, since: datetime | None) -> Iterator[bytes | None]:
    """The lines of the stored pairs, newest first; None for a pair whose payload is past its retention."""
    for pair in stored_pairs.iterate(connection, task=task, since=since):
        yield pairs_file.encode_trial(_with_opinions(pair)) if pair.payload_kept else None


def _with_opinions(pair: StoredPair) -> Trial:
    """The trial with the pair's newest label and verdict, instead of those that it was recorded with."""
    exchange = msgspec.structs.replace(
        pair.trial.exchange,
        label=pair.human,
        label_probability=pair.human_probability or 1.0,
        judge=pair.judge,
        judge_probability=(pair.judge_probability or 1.0) if pair.judge else 1.0,
    )
    return msgspec.structs.replace(pair.trial, exchange=exchange)
