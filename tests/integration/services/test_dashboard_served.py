"""The share that the candidate served, read from the database as the Regret page reads it."""

from typing import Any

import msgspec
import pytest

from dashboard.data.windows import Window
from dashboard.views.regret import reads
from shadow.settings import POSTGRES_VARIABLE
from shadow.store.schema import engine
from tests.support.store_samples import START, exchange, scored, store


@pytest.mark.usefixtures("empty_page_caches")
@pytest.mark.parametrize("per", ["hour", "day"])
def test_reverse_trials_that_sampling_left_out_are_represented_by_the_others(postgres_url, monkeypatch, per):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    served = exchange(1, served_by="candidate")
    pairs = [scored(n) for n in range(20)]
    for n in range(20):
        one = msgspec.structs.replace(served, id=f"reverse-{n}", at=START)
        left_out: dict[str, Any] = {"agreement": None, "unscored": "not_sampled"} if n % 2 else {}
        pairs.append(scored(n, exchange=one, kind="reverse", probability=0.5, **left_out))
    database = engine.connect(postgres_url)
    store(database, pairs)
    database.dispose()
    history = reads.history("ticket-intent", "small-7b", Window(label="all", since=None, until=None), "reference", per)
    assert list(history.served["share"]) == [pytest.approx(0.5)]
