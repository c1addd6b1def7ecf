"""Charts of the Shift page: effect sizes, and both windows of each shift."""

import pandas as pd

from dashboard.ui import vega
from dashboard.ui.vega import CANDIDATE, FRONTIER, NOT_ENOUGH_DATA, WORSE, Spec, field, layer, tooltip_line
from dashboard.views.shift.tables import STATUSES
from scoring.stats.exploration.shift import MIN_EFFECT

_COLOURS = {
    STATUSES["shifted"]: CANDIDATE,
    STATUSES["too_small_to_matter"]: "#a9c6fa",
    STATUSES["within_chance"]: NOT_ENOUGH_DATA,
}


def effect_sizes(frame: pd.DataFrame) -> Spec:
    """The effect size of each shift (`name, effect, q_value, status, note`), with a line where it matters."""
    # A fifth of the width is left for the notes at the right edge, so that no bar covers them.
    scale_end = 1.25 * max(float(frame["effect"].max()), MIN_EFFECT) + 0.02
    ticks = {"values": [part / 5 for part in range(6)]} if scale_end > 1 else {"tickCount": 6}
    shared = {
        "y": field("name:N", sort=list(frame["name"]), title=None, axis=vega.name_axis(220)),
        "tooltip": [
            tooltip_line("name:N", "What"),
            tooltip_line("effect:Q", "Effect size", ".3f"),
            tooltip_line("q_value:Q", "q: corrected p-value", ".3f"),
            tooltip_line("status:N", "Status"),
        ],
    }
    x = field(
        "effect:Q",
        title="Effect size, from 0 (the same) to 1 (nothing in common)",
        scale={"domain": [0, scale_end], "nice": False},
        axis={**ticks, "grid": False},
    )
    colour = field(
        "status:N",
        title=None,
        scale={"domain": list(_COLOURS), "range": list(_COLOURS.values())},
        legend=vega.legend_on_top(symbolOpacity=1, labelLimit=300),
    )
    # In a column at the right edge, so that the numbers are aligned.
    note = {"x": {"value": "width"}, "text": field("note:N")}
    return vega.chart(
        frame,
        layer("bar", {"x": x, "color": colour, **shared}, cornerRadiusEnd=3, height=14),
        layer("text", shared | note, align="right", dx=-4, color=FRONTIER, fontSize=12),
        vega.line_at("x", MIN_EFFECT, "Matters from", WORSE, width=1.2, number_format=None),
        height=vega.ROW,
    )


def mix(frame: pd.DataFrame) -> Spec:
    """Shares of each value in both windows (`value, window, share, n`), in the order of the rows."""
    encoding = {
        "y": field("value:N", sort=list(dict.fromkeys(frame["value"])), title=None, axis=vega.name_axis(180)),
        "yOffset": field("window:N", sort=["reference", "current"]),
        "x": field("share:Q", title="Share of exchanges", axis=vega.PERCENT),
        "color": _window_colour(),
        "tooltip": [
            tooltip_line("value:N", "Value"),
            tooltip_line("window:N", "Window"),
            tooltip_line("share:Q", "Share", ".1%"),
            tooltip_line("n:Q", "n", ","),
        ],
    }
    return vega.chart(frame, layer("bar", encoding, cornerRadiusEnd=3), height={"step": 11})


def distribution(frame: pd.DataFrame, *, title: str) -> Spec:
    """Two distributions over logarithmic buckets (`x, window, share`)."""
    encoding = {
        "x": field("x:Q", title=title, scale={"type": "log", "nice": False}, axis={"format": "~s", "grid": False}),
        "y": field("share:Q", title="Share", axis=vega.PERCENT, stack=None),
        "color": _window_colour(),
        "tooltip": [
            tooltip_line("x:Q", title, ",.0f"),
            tooltip_line("window:N", "Window"),
            tooltip_line("share:Q", "Share", ".1%"),
        ],
    }
    area = layer("area", encoding, interpolate="monotone", opacity=0.25, line={"strokeWidth": 2})
    return vega.chart(frame, area, height=230)


def _window_colour() -> Spec:
    return field(
        "window:N",
        title=None,
        scale={"domain": ["reference", "current"], "range": [FRONTIER, CANDIDATE]},
        legend=vega.legend_on_top(symbolOpacity=1, symbolType="square"),
    )
