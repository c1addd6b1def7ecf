"""Pictures of the Shift page: how far each thing moved, and what the two windows look like."""

import altair as alt
import pandas as pd

from dashboard import drawing, shift
from dashboard.charts import Picture
from dashboard.drawing import CANDIDATE, FRONTIER, THIN, WORSE
from scoring.stats.shift import MATTERS

_COLOURS = {
    shift.STATUSES["shifted"]: CANDIDATE,
    shift.STATUSES["too_small_to_matter"]: "#a9c6fa",
    shift.STATUSES["within_chance"]: THIN,
}


def effects(frame: pd.DataFrame) -> Picture:
    """How far each thing moved (`name, effect, status, said`), with a line where it begins to matter."""
    order = list(frame["name"])
    furthest = min(1.0, 1.25 * max(float(frame["effect"].max()), MATTERS) + 0.02)
    base = alt.Chart(frame).encode(
        y=alt.Y("name:N", sort=order, title=None, axis=drawing.names(220)),
        x=alt.X(
            "effect:Q",
            title="Effect size: 0 the same, 1 nothing in common",
            scale=alt.Scale(domain=[0, furthest], nice=False),
            axis=alt.Axis(tickCount=6, grid=False),
        ),
        tooltip=[
            alt.Tooltip("name:N", title="What"),
            alt.Tooltip("effect:Q", title="Effect size", format=".3f"),
            alt.Tooltip("q_value:Q", title="q: chance, corrected", format=".3f"),
            alt.Tooltip("status:N", title="Judgement"),
        ],
    )
    bars = base.mark_bar(cornerRadiusEnd=3, height=14).encode(
        color=alt.Color(
            "status:N",
            title=None,
            scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values())),
            legend=alt.Legend(orient="top", direction="horizontal", symbolOpacity=1, labelLimit=300),
        ),
    )
    # In a column at the right, where numbers stand under each other and over no bar.
    said = base.mark_text(align="right", dx=-4, color=FRONTIER, fontSize=12).encode(x=alt.value("width"), text="said:N")
    line = (
        alt.Chart(pd.DataFrame([{"matters": MATTERS}]))
        .mark_rule(strokeDash=[5, 4], color=WORSE, strokeWidth=1.2)
        .encode(x="matters:Q", tooltip=[alt.Tooltip("matters:Q", title="Matters from")])
    )
    return alt.layer(bars, said, line).properties(height=alt.Step(drawing.ROW))


def mix(frame: pd.DataFrame) -> Picture:
    """Shares of each value in both windows (`value, window, share, n`), in the order of the rows."""
    order = list(dict.fromkeys(frame["value"]))
    picture: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            y=alt.Y("value:N", sort=order, title=None, axis=drawing.names(180)),
            yOffset=alt.YOffset("window:N", sort=["reference", "current"]),
            x=alt.X("share:Q", title="Share of exchanges", axis=drawing.PERCENT),
            color=drawing.window_colour(),
            tooltip=[
                alt.Tooltip("value:N", title="Value"),
                alt.Tooltip("window:N", title="Window"),
                alt.Tooltip("share:Q", title="Share", format=".1%"),
                alt.Tooltip("n:Q", title="n", format=","),
            ],
        )
        .properties(height=alt.Step(11))
    )
    return picture


def distribution(frame: pd.DataFrame, *, title: str) -> Picture:
    """Two distributions over logarithmic buckets (`x, window, share`)."""
    picture: alt.Chart = (
        alt.Chart(frame)
        .mark_area(interpolate="monotone", opacity=0.25, line={"strokeWidth": 2})
        .encode(
            x=alt.X(
                "x:Q", title=title, scale=alt.Scale(type="log", nice=False), axis=alt.Axis(format="~s", grid=False)
            ),
            y=alt.Y("share:Q", title="Share", axis=drawing.PERCENT, stack=None),
            color=drawing.window_colour(),
            tooltip=[
                alt.Tooltip("x:Q", title=title, format=",.0f"),
                alt.Tooltip("window:N", title="Window"),
                alt.Tooltip("share:Q", title="Share", format=".1%"),
            ],
        )
        .properties(height=230)
    )
    return picture
