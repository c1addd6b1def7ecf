"""Every confidence has one bin, and the bins are in order."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shadow.aggregates import confidence_bins, counting
from shadow.aggregates.tally import ALL, Cell, Tally
from shadow.records import Reply
from tests.support.store_samples import exchange, scored


@given(st.floats(0, 1))
def test_a_confidence_lies_within_the_bounds_of_its_bin(confidence: float):
    number = confidence_bins.bin_of(confidence)
    low, high = confidence_bins.bounds(number)
    assert low <= confidence < high or (number == confidence_bins.COUNT - 1 and confidence <= high)


def test_the_bins_cover_0_to_1_without_gaps_and_become_no_wider_towards_1():
    edges = confidence_bins.EDGES
    assert (edges[0], edges[-1], confidence_bins.COUNT) == (0.0, 1.0, 20)
    widths = [round(high - low, 9) for low, high in pairwise(edges)]
    assert all(one >= other > 0 for one, other in pairwise(widths))


def counted(*pairs) -> Tally:
    tallies: dict[Cell, Tally] = {}
    for pair in pairs:
        counting.count(tallies, *pair)
    return next(found for cell, found in tallies.items() if cell[4:6] == ALL)


def test_the_candidates_confidence_counts_whoever_served():
    sure, unsure = Reply(model="s", content="a", confidence=0.96), Reply(model="b", content="a", confidence=0.05)
    shadow = counted(scored(exchange=exchange(reply=unsure), reply=sure))
    reverse = counted(scored(exchange=exchange(reply=sure, served_by="candidate"), reply=unsure, kind="reverse"))
    assert [*shadow.by_confidence] == [*reverse.by_confidence] == [confidence_bins.bin_of(0.96)]


def test_a_confidence_of_an_unscored_pair_counts_as_a_pair_without_agreement():
    reply = Reply(model="s", content="a", confidence=0.5)
    (found,) = counted(scored(reply=reply, agreement=None, unscored="x")).by_confidence.values()
    assert (found.pairs, found.agreement.n) == (1, 0)


def test_a_missing_confidence_is_in_no_bin_and_its_reason_is_counted():
    found = counted(scored(reply=Reply(model="s", content="a", confidence_reason="not_reported")), scored(1))
    assert found.by_confidence == {}
    assert found.counts["no_confidence:not_reported"] == 1
