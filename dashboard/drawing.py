"""What all charts share: colours, axes, and the range that is worth showing.

Colours mean the same on every page and hold on light and on dark: blue is the candidate,
grey the frontier, red is worse than the task's average, violet the ceiling.
"""

from typing import Final, Literal

import altair as alt
import pandas as pd
from altair.utils.schemapi import UndefinedType

from dashboard import measures
from dashboard.measures import Step

CANDIDATE: Final = "#4284f4"
FRONTIER: Final = "#8794a8"
WORSE: Final = "#e5534b"
THIN: Final = "#9aa5b4"
CEILING: Final = "#9b7bea"
AMBER: Final = "#e9973f"

#: What is stacked over time keeps its colour, whatever else is there; told apart without red and green.
COLOURS: Final = {
    measures.SCORED: CANDIDATE,
    measures.UNSCORED: "#e9973f",
    "timeout": "#e9973f",
    "endpoint error": "#b4543c",
    "rate limited": "#d9bf3c",
    "malformed": "#9b7bea",
    "refusal": "#c774b2",
    "truncated": "#4fae8b",
    "interrupted": "#3f8fb0",
    "rejected": "#e5534b",
}

#: From worse to better, readable in the middle on white and on near-black.
_AGREEMENT_SCHEME: Final = ["#c9372c", "#e58a54", "#d9c56a", "#6fb58a", "#2f8f6b"]

PERCENT: Final = alt.Axis(format=".0%", tickCount=5)

#: A height that lets a reader see a row without a magnifying glass.
ROW: Final = 26


def names(limit: int, *, orient: Literal["left", "top", "bottom"] | UndefinedType = alt.Undefined) -> alt.Axis:
    """An axis of names, each shown (up to `limit` pixels) beside the middle of its row or column."""
    return alt.Axis(
        orient=orient, labelLimit=limit, labelAngle=0, labelOverlap=False, labelFlush=False,
        ticks=False, domain=False, grid=False,
    )  # fmt: skip


def telling(frame: pd.DataFrame) -> list[float]:
    """The range of shares that has to be shown: what rows with enough data span, and a little more.

    A row with next to no data would stretch the axis until nothing else could be read.
    """
    rows = frame[frame["enough"]] if frame["enough"].any() else frame
    return [max(0.0, float(rows["low"].min()) - 0.05), min(1.0, float(rows["high"].max()) + 0.05)]


def time_axis(step: Step | None = None) -> alt.X:
    """In UTC wherever the reader sits, for rollups are cut at UTC hours. With `step`, as wide as a step."""
    axis = alt.Axis(labelOverlap=True, grid=False, tickCount=8)
    units: dict[Step, Literal["utcyearmonthdate", "utcyearmonthdatehours"]] = {
        "day": "utcyearmonthdate",
        "hour": "utcyearmonthdatehours",
    }
    if step is None:
        return alt.X("at:T", title="UTC", axis=axis, scale=alt.Scale(type="utc"))
    return alt.X("at:T", title="UTC", axis=axis, timeUnit=units[step], scale=alt.Scale(type="utc"))


def window_colour() -> alt.Color:
    return alt.Color(
        "window:N",
        title=None,
        scale=alt.Scale(domain=["reference", "current"], range=[FRONTIER, CANDIDATE]),
        legend=alt.Legend(orient="top", direction="horizontal", symbolOpacity=1, symbolType="square"),
    )


def agreement_colour() -> alt.Color:
    return alt.Color(
        "estimate:Q",
        title=None,
        scale=alt.Scale(domain=[0.5, 0.7, 0.8, 0.9, 1], range=_AGREEMENT_SCHEME, clamp=True),
        legend=alt.Legend(
            orient="bottom", format=".0%", values=[0.5, 0.75, 1], gradientLength=220, gradientThickness=8
        ),
    )
