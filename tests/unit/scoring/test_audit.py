"""A slice of `make audit-scorers`: the whole of it generates a thousand pairs of each kind."""

from scoring.scorers import SCORERS
from tests.audit.audit import MAX_FALSE_AGREEMENT, MAX_FALSE_DISAGREEMENT, agreement, audit, totals
from tests.audit.cases import Case, generate, say


def test_scorers_agree_where_they_must_and_only_there():
    for scorer, count in totals(audit(generate(seed=7, each=60))).items():
        assert count.false_agreement <= MAX_FALSE_AGREEMENT * count.differ, scorer
        assert count.false_disagreement <= MAX_FALSE_DISAGREEMENT * count.agree, scorer


def test_every_scorer_has_cases():
    assert {case.scorer for case in generate(seed=7, each=1)} == {*SCORERS}


def test_the_audit_counts_a_wrong_agreement_and_a_wrong_disagreement():
    wrong = [Case("exact", "planted", say("a"), say("a"), False), Case("exact", "planted", say("a"), say("b"), True)]
    (count,) = audit(wrong).values()
    assert (count.false_agreement, count.false_disagreement, count.examples) == (1, 1, wrong)
    assert agreement(Case("numeric", "unread", say("none"), say("1"), True)) is None
