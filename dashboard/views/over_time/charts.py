"""Charts of the Over time page: the trend, the week, and stacked counts."""

from typing import Final

import pandas as pd

from dashboard.data.tables import Step
from dashboard.ui import vega
from dashboard.ui.vega import CANDIDATE, FRONTIER, Spec, field, layer, tooltip_line
from dashboard.views.over_time import tables
from shadow.aggregates.derived_dimensions import WEEKDAYS

#: The colour of each kind in a stacked chart, the same in every window; distinct without red and green.
COLOURS: Final = {
    tables.SCORED: CANDIDATE,
    tables.UNSCORED: "#e9973f",
    tables.NOT_ELIGIBLE: "#8a94a6",
    "timeout": "#e9973f",
    "endpoint error": "#b4543c",
    "rate limited": "#d9bf3c",
    "malformed": "#9b7bea",
    "refusal": "#c774b2",
    "truncated": "#4fae8b",
    "interrupted": "#3f8fb0",
    "rejected": "#e5534b",
}


def trend(frame: pd.DataFrame, *, title: str) -> Spec:
    """A share over time (`at, when, estimate, low, high, n, enough, run`) in the band of its intervals.

    Steps with too few pairs are grey dots, and interrupt line and band.
    """
    shared = {"x": vega.time_axis(), "tooltip": [tooltip_line("when:N", "When"), *vega.estimate_tooltip(title)]}
    scale = {"domain": vega.share_range(frame), "nice": False}
    band = {"y": field("low:Q", title=title, axis=vega.PERCENT, scale=scale), "y2": {"field": "high"}}
    middle = {"y": field("estimate:Q")}
    run = {"detail": field("run:N")}
    interval = {"y": field("low:Q"), "y2": {"field": "high"}}
    return vega.chart(
        frame,
        layer("area", shared | band | run, where=vega.ENOUGH, color=CANDIDATE, opacity=0.18, clip=True),
        # The band of a single step has no width, so each step has a line for its interval too.
        layer("rule", shared | interval, where=vega.ENOUGH, color=CANDIDATE, opacity=0.35, strokeWidth=3, clip=True),
        layer("line", shared | middle | run, where=vega.ENOUGH, color=CANDIDATE, strokeWidth=2, clip=True),
        layer("point", shared | middle | vega.dot_style(), filled=True, clip=True, opacity=1),
        height=300,
    )


def week(frame: pd.DataFrame) -> Spec:
    """Heat map of agreement by weekday and hour (`weekday, hour, estimate, n, enough`), UTC."""
    encoding = {
        "x": field("hour:O", sort=list(tables.HOURS), title="Hour of day (UTC)", axis=vega.name_axis(60)),
        "y": field("weekday:O", sort=[*WEEKDAYS, tables.ANY], title=None, axis=vega.name_axis(60)),
        "color": vega.if_enough_data(vega.agreement_scale(), vega.FAINT),
        "tooltip": [
            tooltip_line("weekday:N", "Weekday"),
            tooltip_line("hour:O", "Hour (UTC)"),
            tooltip_line("estimate:Q", "Agreement", ".1%"),
            tooltip_line("n:Q", "n", ","),
        ],
    }
    cells = layer("rect", encoding, cornerRadius=3, stroke="transparent", strokeWidth=2)
    return vega.chart(frame, cells, height=vega.ROW)


def stacked(frame: pd.DataFrame, *, title: str, step: Step) -> Spec:
    """Bars over time (`at, when, what, n`), stacked by `what`."""
    kinds = sorted(frame["what"].unique())
    encoding = {
        "x": vega.time_axis(step),
        "y": field("n:Q", title=title, stack="zero", axis={"format": "~s", "tickCount": 4, "tickMinStep": 1}),
        "color": field(
            "what:N",
            title=None,
            scale={"domain": kinds, "range": [COLOURS.get(kind, FRONTIER) for kind in kinds]},
            legend=vega.legend_on_top(columns=3),
        ),
        "tooltip": [tooltip_line("when:N", "When"), tooltip_line("what:N", "What"), tooltip_line("n:Q", title, ",")],
    }
    bars = layer("bar", encoding, opacity=0.9, stroke="transparent", strokeWidth=1)
    return vega.chart(frame, bars, height=230)
