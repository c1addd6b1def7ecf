"""Statistics by confidence equal those counted in memory, and follow labels; rows keep what they are made of."""

from datetime import timedelta

from shadow.aggregates import confidence_bins, counting
from shadow.aggregates.tally import ALL, Cell, Tally, tally_at
from shadow.records import Reply, TokenProbabilities
from shadow.store.read import confidence_reads
from shadow.store.read import pairs as stored_pairs
from shadow.store.read.confidence_reads import ConfidenceCell
from shadow.store.schema import engine
from tests.support.label_samples import label, record, remove
from tests.support.store_samples import START, Scored, scored, store, various

TASK = "ticket-intent"
PAIRS = various(200)
SURE = Reply(
    model="small-7b",
    content="delivery",
    confidence=0.96,
    token_probabilities=TokenProbabilities(n=4, q0=0.9, q10=0.9, q25=0.95, q50=0.99, least_margin=0.8),
)


def read(database, **question):
    with engine.snapshot(database) as connection:
        return confidence_reads.read(connection, task=TASK, **question)


def by_source(database) -> dict[str, Tally]:
    return {cell.source: found for cell, found in read(database).items()}


def counted(pairs: list[Scored]) -> dict[ConfidenceCell, Tally]:
    tallies: dict[Cell, Tally] = {}
    for pair in pairs:
        counting.count(tallies, *pair)
    found: dict[ConfidenceCell, Tally] = {}
    for cell, tally in tallies.items():
        assert not tally.by_confidence or (cell.dimension, cell.value) == ALL
        for number, scores in tally.by_confidence.items():
            day = cell.hour.replace(hour=0)
            key = ConfidenceCell(cell.task, cell.candidate, cell.kind, cell.source, day, number)
            tally_at(found, key).merge(scores)
    return found


def test_the_stored_statistics_equal_those_counted_in_memory(database):
    store(database, PAIRS, batch=37)
    expected = counted([pair for pair in PAIRS if pair[0].exchange.task == TASK])
    found = read(database, kinds=("shadow", "reverse", "ceiling"))
    assert found == expected
    assert {cell.kind for cell in found} == {"shadow", "reverse", "ceiling"}
    assert {cell.source for cell in found} >= {"", "human", "judge", "reference"}


def test_every_pair_with_a_confidence_is_in_one_bin(database):
    store(database, PAIRS)
    pairs = sum(found.pairs for found in read(database).values())
    shadow = [trial for trial, _ in PAIRS if trial.exchange.task == TASK and trial.kind != "ceiling"]
    sure = [trial.exchange.reply if trial.kind == "reverse" else trial.reply for trial in shadow]
    assert pairs == sum(reply.confidence is not None for reply in sure) > 30


def test_a_window_and_a_candidate_can_be_chosen(database):
    pairs = [scored(0, reply=SURE), scored(0, reply=SURE, candidate="small-3b"), scored(2 * 24 * 60, reply=SURE)]
    store(database, pairs)
    assert {(cell.candidate, cell.day) for cell in read(database)} == {
        ("small-7b", START), ("small-3b", START), ("small-7b", START + timedelta(days=2)),
    }  # fmt: skip
    assert len(read(database, candidate="small-7b", since=START + timedelta(days=1, hours=5))) == 1
    assert len(read(database, candidate="small-7b", until=START + timedelta(days=2))) == 1
    assert read(database, sources=("human",)) == {}


def test_a_label_adds_its_regret_to_the_bin_of_the_confidence_and_takes_it_back(database):
    pair = scored(1, agreement=0.0, probability=0.5, reply=SURE)
    store(database, [pair])
    record(database, label(pair, "frontier", probability=0.1))
    found = by_source(database)
    assert (found[""].pairs, found[""].agreement.n, found[""].regret.n) == (1, 1, 0)
    assert (found["human"].pairs, found["human"].regret.n, found["human"].regret.total) == (0, 1, 1_000_000)
    assert found["human"].regret.weight == 20_000_000
    assert {cell.bin for cell in read(database)} == {confidence_bins.bin_of(0.96)}
    remove(database, pair)
    assert by_source(database)["human"].regret.n == 0


def test_rows_and_payloads_keep_the_confidence_and_what_else_is_known_of_the_tokens(database):
    store(database, [scored(1, reply=SURE), scored(2)])
    with engine.browsing(database) as connection:
        without, sure = stored_pairs.find(connection, task=TASK)
        connection.exec_driver_sql("DELETE FROM payloads")
        connection.commit()
        _, only_row = stored_pairs.find(connection, task=TASK)
    assert sure.trial.reply == SURE
    assert (without.trial.reply.confidence, without.trial.reply.token_probabilities) == (None, None)
    assert not only_row.payload_kept
    assert only_row.trial.reply.confidence == 0.96
    assert only_row.trial.reply.token_probabilities == SURE.token_probabilities
