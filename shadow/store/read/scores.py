"""The scores of stored comparisons as SQL: a measure, and the chance with which it was seen."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Double, case, func, literal

from shadow.aggregates.regret_sources import NET
from shadow.aggregates.unit_scores import Measure
from shadow.store.schema.tables import comparisons


class Score(NamedTuple):
    """`x` is in [0, 1], and NULL where nothing is known; `probability` is in (0, 1]."""

    x: ColumnElement[Any]
    probability: ColumnElement[Any]


def score(measure: Measure) -> Score:
    """Agreement, or the regret that one source gives."""
    columns = comparisons.c
    match measure:
        case "agreement":
            return Score(columns.agreement, columns.inclusion_probability)
        case "reference":
            net = columns.frontier_correct - columns.candidate_correct
            # Unlike in Python, NULL makes GREATEST fall back to the other value.
            regret = case((net.is_not(None), func.greatest(net, literal(0.0, Double))))
            return Score(regret, columns.inclusion_probability)
        case "human" | "judge":
            worth = {preference: max(0.0, net) for preference, net in NET.items()}
            chance = func.coalesce(columns[f"{measure}_probability"], literal(1.0, Double))
            return Score(case(worth, value=columns[measure]), columns.inclusion_probability * chance)
