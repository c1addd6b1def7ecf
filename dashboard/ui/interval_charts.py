"""Charts of a share with its interval, which several pages show."""

from typing import Any

import pandas as pd

from dashboard.data.tables import FLAGGED, NOT_ENOUGH_DATA, NOT_FLAGGED
from dashboard.ui import vega
from dashboard.ui.vega import CANDIDATE, CEILING, FRONTIER, WORSE, Spec, field, layer


def interval_bar(
    estimate: float,
    low: float,
    high: float,
    ceiling: float | None = None,
    *,
    worse: bool = False,
    scale_end: float = 1.0,
    limit: float | None = None,
) -> Spec:
    """One share with its interval on a line from 0 to `scale_end`, with marks at the ceiling and the limit.

    With `worse` it is red: high values are bad.
    """
    x = field(
        "at:Q",
        title=None,
        scale={"domain": [0, scale_end]},
        axis={
            "format": ".0%" if scale_end >= 0.2 else ".2~%", "values": [scale_end * part / 4 for part in range(5)],
            "title": None, "grid": False, "domain": False, "ticks": False,
        },
    )  # fmt: skip

    # Each row is in its own layer: a data frame for a handful of numbers would cost more than all the rest.
    def line(start: float, end: float, **style: Any) -> Spec:
        encoding = {"x": x, "x2": {"field": "to"}}
        return layer("rule", encoding, row={"at": start, "to": end}, strokeWidth=6, strokeCap="round", **style)

    colour = WORSE if worse else CANDIDATE
    layers = [
        line(0.0, scale_end, color=vega.NOT_ENOUGH_DATA, opacity=0.35),
        line(low, min(high, scale_end), color=colour, opacity=0.45),
        layer("point", {"x": x}, row={"at": estimate}, color=colour, filled=True, size=90, opacity=1),
    ]
    for place, mark_colour, thickness in ((ceiling, CEILING, 3), (limit, FRONTIER, 2)):
        if place is not None:
            layers.append(layer("tick", {"x": x}, row={"at": place}, color=mark_colour, thickness=thickness, size=14))
    return {"layer": layers, "height": 34}


def segments(
    frame: pd.DataFrame, average: float | None, *, title: str = "Agreement", limit: float | None = None
) -> Spec:
    """Interval plot, in the order of the rows: `label, estimate, low, high, n, q_value, enough, status`.

    The task's average is a grey dashed line, the limit a red one.
    """
    shared = {
        "y": field("label:N", sort=list(frame["label"]), title=None, axis=vega.name_axis(220)),
        "color": field(
            "status:N",
            title=None,
            scale={
                "domain": [FLAGGED, NOT_FLAGGED, NOT_ENOUGH_DATA],
                "range": [WORSE, CANDIDATE, vega.NOT_ENOUGH_DATA],
            },
            legend=vega.legend_on_top(symbolOpacity=1, labelLimit=300),
        ),
        "tooltip": [
            vega.tooltip_line("label:N", "Segment"),
            *vega.estimate_tooltip(title),
            vega.tooltip_line("q_value:Q", "q", ".3f"),
            vega.tooltip_line("status:N", "Status"),
        ],
    }
    x = field(
        "low:Q",
        title=f"{title}, with 95% interval",
        axis=vega.PERCENT,
        scale={"domain": vega.share_range(frame)},
    )
    return vega.chart(
        frame,
        layer(
            "rule",
            {"x": x, "x2": {"field": "high"}, **shared},
            strokeWidth=5,
            opacity=0.4,
            strokeCap="round",
            clip=True,
        ),
        layer("point", {"x": field("estimate:Q"), **shared}, filled=True, size=80, opacity=1, clip=True),
        *(
            vega.line_at("x", place, name, colour)
            for place, name, colour in ((average, "Task average", FRONTIER), (limit, "Limit", WORSE))
            if place is not None
        ),
        height=vega.ROW,
    )
