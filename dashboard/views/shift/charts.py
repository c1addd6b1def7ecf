"""Pictures of the Shift page: how far each thing moved, and what the two windows look like."""

import pandas as pd

from dashboard.data import shift_tables
from dashboard.ui import vega
from dashboard.ui.vega import CANDIDATE, FRONTIER, THIN, WORSE, Picture, field, layer, tip
from scoring.stats.exploration.shift import MATTERS

_COLOURS = {
    shift_tables.STATUSES["shifted"]: CANDIDATE,
    shift_tables.STATUSES["too_small_to_matter"]: "#a9c6fa",
    shift_tables.STATUSES["within_chance"]: THIN,
}


def effects(frame: pd.DataFrame) -> Picture:
    """How far each thing moved (`name, effect, status, said`), with a line where it begins to matter."""
    furthest = min(1.0, 1.25 * max(float(frame["effect"].max()), MATTERS) + 0.02)
    shared = {
        "y": field("name:N", sort=list(frame["name"]), title=None, axis=vega.names(220)),
        "tooltip": [
            tip("name:N", "What"),
            tip("effect:Q", "Effect size", ".3f"),
            tip("q_value:Q", "q: chance, corrected", ".3f"),
            tip("status:N", "Judgement"),
        ],
    }
    x = field(
        "effect:Q",
        title="Effect size: 0 the same, 1 nothing in common",
        scale={"domain": [0, furthest], "nice": False},
        axis={"tickCount": 6, "grid": False},
    )
    colour = field(
        "status:N",
        title=None,
        scale={"domain": list(_COLOURS), "range": list(_COLOURS.values())},
        legend=vega.key_on_top(symbolOpacity=1, labelLimit=300),
    )
    # In a column at the right, where numbers stand under each other and over no bar.
    said = {"x": {"value": "width"}, "text": field("said:N")}
    return vega.picture(
        frame,
        layer("bar", {"x": x, "color": colour, **shared}, cornerRadiusEnd=3, height=14),
        layer("text", shared | said, align="right", dx=-4, color=FRONTIER, fontSize=12),
        vega.line_at("x", MATTERS, "Matters from", WORSE, thick=1.2, shown=None),
        height=vega.ROW,
    )


def mix(frame: pd.DataFrame) -> Picture:
    """Shares of each value in both windows (`value, window, share, n`), in the order of the rows."""
    encoding = {
        "y": field("value:N", sort=list(dict.fromkeys(frame["value"])), title=None, axis=vega.names(180)),
        "yOffset": field("window:N", sort=["reference", "current"]),
        "x": field("share:Q", title="Share of exchanges", axis=vega.PERCENT),
        "color": vega.window_colour(),
        "tooltip": [
            tip("value:N", "Value"),
            tip("window:N", "Window"),
            tip("share:Q", "Share", ".1%"),
            tip("n:Q", "n", ","),
        ],
    }
    return vega.picture(frame, layer("bar", encoding, cornerRadiusEnd=3), height={"step": 11})


def distribution(frame: pd.DataFrame, *, title: str) -> Picture:
    """Two distributions over logarithmic buckets (`x, window, share`)."""
    encoding = {
        "x": field("x:Q", title=title, scale={"type": "log", "nice": False}, axis={"format": "~s", "grid": False}),
        "y": field("share:Q", title="Share", axis=vega.PERCENT, stack=None),
        "color": vega.window_colour(),
        "tooltip": [tip("x:Q", title, ",.0f"), tip("window:N", "Window"), tip("share:Q", "Share", ".1%")],
    }
    area = layer("area", encoding, interpolate="monotone", opacity=0.25, line={"strokeWidth": 2})
    return vega.picture(frame, area, height=230)
