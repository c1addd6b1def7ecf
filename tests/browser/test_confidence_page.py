"""The Confidence page: what it shows of a candidate with and without confidences."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shadow.records import Comparison, Exchange, NoConfidence, Preference, Reply, TokenProbabilities, Trial
from shadow.store.schema import engine
from shadow.store.write import ingest
from tests.browser.pages import open_page, page_text, store

pytestmark = pytest.mark.usefixtures("empty_page_caches")

TASK = "ticket-intent"
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)


def pairs(n: int, *, confidence: float | None, agreement: float, **more) -> Iterator[tuple[Trial, Comparison]]:
    """Pairs of candidates that are so sure; `reason`: why they have no confidence; `label`: a person's preference."""
    reason: NoConfidence | None = more.get("reason")
    label: Preference | None = more.get("label")
    tokens = TokenProbabilities(n=7, q0=0.3, q10=0.3, q25=0.5, q50=0.9, least_margin=0.1) if confidence else None
    reply = Reply(
        model="small", content="yes", confidence=confidence, confidence_reason=reason, token_probabilities=tokens
    )
    for number in range(n):
        exchange = Exchange(
            id=f"{confidence}-{agreement}-{number}", task=TASK, at=NOW, request={"messages": []},
            reply=Reply(model="big", content="yes"), label=label,
        )  # fmt: skip
        trial = Trial(exchange=exchange, kind="shadow", candidate="small", reply=reply, at=NOW)
        yield trial, Comparison(scorer="exact", agreement=agreement)


def put(url: str, *groups: Iterator[tuple[Trial, Comparison]]) -> None:
    database = engine.connect(url)
    with engine.transaction(database) as connection:
        ingest.record_trials(connection, [pair for group in groups for pair in group])
    database.dispose()


def test_a_candidate_without_log_probabilities_shows_what_to_set(
    configure: Callable[[str | None], None], postgres_url: str
) -> None:
    store(postgres_url, task=TASK, at=NOW)
    configure(postgres_url)
    words = page_text(open_page("confidence"))
    assert "No reply of this candidate has a confidence" in words
    assert "`logprobs = true`" in words


def test_log_probabilities_that_were_asked_for_in_vain_show_the_reasons(
    configure: Callable[[str | None], None], postgres_url: str
) -> None:
    put(postgres_url, pairs(12, confidence=None, agreement=1.0, reason="refused"))
    configure(postgres_url)
    words = page_text(open_page("confidence"))
    assert "12 have none: refused 12" in words
    assert "`logprobs = true`" not in words


def test_agreement_by_confidence_stands_beside_its_n(
    configure: Callable[[str | None], None], postgres_url: str
) -> None:
    put(
        postgres_url,
        pairs(40, confidence=0.9995, agreement=1.0),
        pairs(30, confidence=0.55, agreement=1.0),
        pairs(30, confidence=0.55, agreement=0.0),
        pairs(5, confidence=None, agreement=1.0, reason="not_aligned"),
    )
    configure(postgres_url)
    page = open_page("confidence")
    words = page_text(page)
    assert "100 pairs have a confidence; 5 have none: not aligned 5" in words
    (table,) = page.dataframe
    rows = {row["label"]: (row["n"], row["estimate"]) for row in table.value.to_dict("records")}
    assert rows == {"50–60%": (60, pytest.approx(0.5)), "99.9–100%": (40, pytest.approx(1.0))}
    assert all(row["low"] <= row["estimate"] <= row["high"] for row in table.value.to_dict("records"))


def test_regret_by_confidence_needs_a_source(configure: Callable[[str | None], None], postgres_url: str) -> None:
    put(postgres_url, pairs(20, confidence=0.9, agreement=0.0))
    configure(postgres_url)
    assert "Regret is unknown for the pairs with a confidence." in page_text(open_page("confidence", measure="regret"))
    put(postgres_url, pairs(30, confidence=0.6, agreement=0.5, label="frontier"))
    page = open_page("confidence", measure="regret", window="28 d")
    assert "regret according to people" in page_text(page)
    (table,) = page.dataframe
    assert [(row["label"], row["n"], row["estimate"]) for row in table.value.to_dict("records")] == [("60–70%", 30, 1)]


def test_an_exchange_shows_the_confidence_of_its_reply_or_why_it_has_none(
    configure: Callable[[str | None], None], postgres_url: str
) -> None:
    put(
        postgres_url,
        pairs(1, confidence=0.75, agreement=0.0),
        pairs(1, confidence=None, agreement=0.0, reason="refused"),
    )
    configure(postgres_url)
    words = page_text(open_page("exchanges", exchange="0.75-0.0-0"))
    assert "confidence 75.0% (7 tokens; least, 10%, 25%, 50%: 30.0%, 30.0%, 50.0%, 90.0%, least margin 10.0%)" in words
    assert "no confidence: refused" in page_text(open_page("exchanges", exchange="None-0.0-0"))
