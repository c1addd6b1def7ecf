"""Scores of stored comparisons as SQL expressions: a measure, and the probability with which it was sampled."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Double, case, func, literal

from shadow.aggregates.regret_sources import NET
from shadow.aggregates.unit_scores import Measure
from shadow.store.schema.tables import comparisons


class Score(NamedTuple):
    """`x` is in [0, 1], or NULL if the pair has no such score; `probability` is in (0, 1]."""

    x: ColumnElement[Any]
    probability: ColumnElement[Any]


def score(measure: Measure) -> Score:
    """Agreement, or the regret by one source."""
    columns = comparisons.c
    match measure:
        case "agreement":
            return Score(columns.agreement, columns.inclusion_probability)
        case "reference":
            net = columns.frontier_correct - columns.candidate_correct
            # GREATEST ignores NULL: it would give 0 for a pair without a reference.
            regret = case((net.is_not(None), func.greatest(net, literal(0.0, Double))))
            return Score(regret, columns.inclusion_probability)
        case "human" | "judge":
            by_preference = {preference: max(0.0, net) for preference, net in NET.items()}
            asked = func.coalesce(columns[f"{measure}_probability"], literal(1.0, Double))
            return Score(case(by_preference, value=columns[measure]), columns.inclusion_probability * asked)
