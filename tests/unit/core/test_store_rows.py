"""Pairs that no row can hold are refused by name, and every name can be stored."""

import itertools
from typing import Any

import msgspec
import pytest

from shadow.aggregates.counting import pair_facts
from shadow.errors import StoreError, UnstorableError
from shadow.records import Comparison, Reply, Trial
from shadow.store.rows import encode, names, outcome
from shadow.store.schema import engine
from tests.support.store_samples import Scored, exchange, letter, scored

NUL = "\0"


def row_of(trial: Trial, comparison: Comparison) -> encode.PairRow:
    ((key, _),) = encode.unique_pairs([(trial, comparison)]).items()
    return encode.pair_row(key, trial, comparison, pair_facts(trial, comparison))


def encoded(pairs: list[Scored]) -> list[encode.Payload]:
    """All rows of `pairs`; those of `payloads` without their keys."""
    found: dict[names.PairKey, encode.EncodedPair] = {}
    list(encode.pair_rows(encode.unique_pairs(pairs), found))
    rows = encode.payload_rows(found.items())
    return [encode.Payload(*row[len(names.PairKey._fields) :]) for row in rows]


SURROGATE = "\ud800"


@pytest.mark.parametrize(
    "pair",
    [
        scored(1, reply=Reply(model="m", content=f"a{NUL}b")),
        scored(1, reply=Reply(model="m", content=f"\\{NUL}")),
        scored(1, reply=Reply(model="m", content=SURROGATE)),
        scored(1, exchange=exchange(1, request={"messages": [{"content": NUL}]})),
        scored(1, exchange=exchange(1, segment={"locale": NUL})),
        scored(1, detail={"differs": NUL}),
        scored(1, probability=0.0),
        scored(1, probability=-0.5),
        scored(1, probability=1.5),
        scored(1, probability=1e-300),
        scored(1, reply=Reply(model="m", cost_usd=1e300)),
        scored(1, reply=Reply(model="m", cost_usd=-1.0)),
    ],
    ids=itertools.count(),
)
def test_a_pair_that_cannot_be_stored_is_refused_with_its_exchange_id(pair):
    with pytest.raises(UnstorableError, match="x000001") as refused:
        encoded([scored(0), pair, scored(2)])
    assert refused.value.exchange_ids == ("x000001",)


def test_every_refused_pair_is_named_at_once():
    poison = Reply(model="m", content=NUL)
    with pytest.raises(UnstorableError) as refused:
        encoded([scored(number, reply=poison if number % 3 == 0 else None) for number in range(7)])
    assert refused.value.exchange_ids == ("x000000", "x000003", "x000006")


def test_units_are_stored_as_digests_that_differ():
    first, same, other, without = (
        row_of(*scored(number, exchange=exchange(number, unit=unit)))
        for number, unit in enumerate(("ann@example.org", "ann@example.org", "bob", None))
    )
    assert first.unit == same.unit != other.unit
    assert without.unit is None
    assert len(first.unit or "") == 16


def test_a_row_has_preferences_with_their_probabilities():
    row = row_of(*scored(exchange=exchange(label="tie", judge="frontier")))
    assert (row.human, row.human_probability, row.judge, row.judge_probability) == ("tie", 1.0, "frontier", 1.0)
    assert row.judge_due is None
    due = row_of(*scored(judge_rate=0.3))
    assert (due.judge, due.judge_probability, due.judge_due) == (None, 0.3, True)
    without = row_of(*scored())
    assert (without.human_probability, without.judge_probability, without.judge_due) == (None, None, None)


def test_a_row_keeps_no_preference_that_its_cells_have_not_counted():
    late = Reply(model="m", failure="timeout")
    row = row_of(*scored(exchange=exchange(label="tie", judge="tie"), reply=late, agreement=None))
    assert (row.human, row.judge, row.judge_probability) == (None, None, None)


@pytest.mark.parametrize("content", ["\\u0000", "\\\\u0000", "C:\\u0000", "\ufffe", "\u2028", "é\u0301🙂"])
def test_text_that_only_looks_like_nul_is_kept(content):
    (row,) = encoded([scored(reply=Reply(model="m", content=content))])
    assert msgspec.json.decode(row.reply)["content"] == content


@pytest.mark.parametrize("name", ["", "x1", "Störung 7", "ж" * 256, "a" * names.MAX_NAME])
def test_an_ordinary_name_is_kept_as_it_is(name):
    assert names.storable_name(name) == name


def test_a_name_is_changed_in_the_same_way_everywhere_and_different_names_stay_different():
    longest = "x" * names.MAX_NAME
    wild = [NUL, f"a{NUL}", SURROGATE, longest + "x", longest + "y", "ü" * 1000, "🙂" * 256, "🙂" * 255 + "x"]
    cleaned = [names.storable_name(name) for name in wild]
    assert len(set(cleaned)) == len(wild)
    assert all(len(name.encode()) <= names.MAX_NAME and NUL not in name for name in cleaned)
    assert [names.storable_name(name) for name in cleaned] == cleaned


def test_a_dead_letter_can_always_be_stored():
    row = encode.dead_letter_row(letter(f"{NUL}{SURROGATE}" * 999, detail=NUL, reason=SURROGATE, payload=b"\0\xff"))
    assert b"\\u0000" not in msgspec.json.encode(row)


def test_the_highest_outcome_does_not_depend_on_the_order():
    failed: dict[str, Any] = {"agreement": None}
    best_first = [
        outcome.outcome_of_pair(*scored()),
        outcome.outcome_of_pair(*scored(unscored="refusal", **failed)),
        outcome.outcome_of_pair(*scored(unscored="no_reference", **failed)),
        outcome.outcome_of_pair(*scored(reply=Reply(model="m", failure="expired"), **failed)),
        outcome.outcome_of_pair(*scored(unscored="frontier_not_recorded", **failed)),
        outcome.outcome_of_pair(*scored(kind="ceiling")),
        outcome.outcome_of_pair(*scored(kind="ceiling", unscored="refusal", **failed)),
        outcome.ARRIVED,
    ]
    assert sorted(best_first, reverse=True) == best_first


@pytest.mark.parametrize("url", ["mysql://user:secret@host/db", "secret", "postgresql://user:secret@host:port/db"])
def test_an_address_that_is_not_postgres_is_named_without_its_password(url):
    with pytest.raises(StoreError) as refused:
        engine.parse(url)
    assert "postgresql://" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_both_spellings_of_the_scheme_are_accepted():
    assert {engine.parse(f"{scheme}://u@h/d").drivername for scheme in ("postgres", "postgresql")} == {
        "postgresql+psycopg"
    }


def test_a_row_is_made_when_it_is_taken():
    """A COPY that ends at a pair that is stored already makes no rows of the pairs behind it."""
    made: dict[names.PairKey, encode.EncodedPair] = {}
    rows = encode.pair_rows(encode.unique_pairs([scored(number) for number in range(9)]), made)
    first = next(rows)
    assert [pair.row for pair in made.values()] == [first]


def test_every_refused_pair_is_named_after_the_last_row():
    pairs = encode.unique_pairs([scored(number, probability=0.0 if number % 2 else 1.0) for number in range(4)])
    rows = encode.pair_rows(pairs, {})
    assert len([next(rows), next(rows)]) == 2
    with pytest.raises(UnstorableError) as refused:
        next(rows)
    assert len(refused.value.reasons) == 2
