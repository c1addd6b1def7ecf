"""A slice of `make audit-scorers`: the whole of it generates a thousand pairs of each kind."""

from scoring.scorers import SCORERS
from scoring.scorers.meaning import word_vectors
from tests.audit.audit import agreement, audit, meets_bars, totals, unsure
from tests.audit.case import Case, say
from tests.audit.cases import generate


def test_scorers_agree_where_they_must_and_only_there():
    without = {"meaning"} if word_vectors.problem() else set()
    counts = audit(case for case in generate(seed=7, each=60) if case.scorer not in without)
    for scorer, count in totals(counts).items():
        assert meets_bars(count, unsure=unsure(counts, scorer)), scorer


def test_every_scorer_has_cases():
    assert {case.scorer for case in generate(seed=7, each=1)} == {*SCORERS}


def test_the_audit_counts_a_wrong_agreement_and_a_wrong_disagreement():
    wrong = [Case("exact", "planted", say("a"), say("a"), False), Case("exact", "planted", say("a"), say("b"), True)]
    (count,) = audit(wrong).values()
    assert (count.false_agreement, count.false_disagreement, count.examples) == (1, 1, wrong)
    assert agreement(Case("numeric", "unread", say("none"), say("1"), True)) is None
