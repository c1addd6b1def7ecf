"""Data in, picture out: the pictures of most pages, and no reading of anything."""

from typing import Any

import pandas as pd

from dashboard.data import measures
from dashboard.data.measures import Step
from dashboard.ui import vega
from dashboard.ui.vega import (
    BLACK,
    CANDIDATE,
    CEILING,
    FRONTIER,
    THIN,
    WHITE,
    WORSE,
    Part,
    Picture,
    field,
    if_enough,
    layer,
    tip,
)
from shadow.aggregates.derived_dimensions import WEEKDAYS


def ruler(
    estimate: float,
    low: float,
    high: float,
    ceiling: float | None = None,
    *,
    worst: bool = False,
    most: float = 1.0,
    limit: float | None = None,
) -> Picture:
    """One share with its interval on a line from 0 to `most`, with the ceiling or the limit as a mark on it."""
    x = field(
        "at:Q",
        title=None,
        scale={"domain": [0, most]},
        axis={
            "format": ".0%" if most >= 0.2 else ".1~%", "values": [most * part / 4 for part in range(5)],
            "title": None, "grid": False, "domain": False, "ticks": False,
        },
    )  # fmt: skip

    # Each row stands in its layer: a table for a handful of numbers would cost more than all the rest.
    def line(start: float, end: float, **style: Any) -> Part:
        encoding = {"x": x, "x2": {"field": "to"}}
        return layer("rule", encoding, row={"at": start, "to": end}, strokeWidth=6, strokeCap="round", **style)

    layers = [
        line(0.0, most, color=THIN, opacity=0.35),
        line(low, min(high, most), color=WORSE if worst else CANDIDATE, opacity=0.45),
        layer(
            "point",
            {"x": x},
            row={"at": estimate},
            color=WORSE if worst else CANDIDATE,
            filled=True,
            size=90,
            opacity=1,
        ),
    ]
    for place, shade, thickness in ((ceiling, CEILING, 3), (limit, FRONTIER, 2)):
        if place is not None:
            layers.append(layer("tick", {"x": x}, row={"at": place}, color=shade, thickness=thickness, size=14))
    return {"layer": layers, "height": 34}


def segments(
    frame: pd.DataFrame, average: float | None, *, title: str = "Agreement", limit: float | None = None
) -> Picture:
    """Interval plot, in the order of the rows: `label, estimate, low, high, n, q_value, enough, status`.

    The task's average is a dashed line, the limit a red one.
    """
    shared = {
        "y": field("label:N", sort=list(frame["label"]), title=None, axis=vega.names(220)),
        "color": field(
            "status:N",
            title=None,
            scale={
                "domain": [measures.FLAGGED, measures.NOT_FLAGGED, measures.THIN],
                "range": [WORSE, CANDIDATE, THIN],
            },
            legend=vega.key_on_top(symbolOpacity=1, labelLimit=300),
        ),
        "tooltip": [
            tip("label:N", "Segment"),
            *_estimate(title),
            tip("q_value:Q", "q", ".3f"),
            tip("status:N", "Judgement"),
        ],
    }
    x = field(
        "low:Q",
        title=f"{title}, with 95% interval",
        axis=vega.PERCENT,
        scale={"domain": vega.telling(frame)},
    )
    return vega.picture(
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
            vega.line_at("x", place, name, shade)
            for place, name, shade in ((average, "Task average", FRONTIER), (limit, "Limit", WORSE))
            if place is not None
        ),
        height=vega.ROW,
    )


def crossing(frame: pd.DataFrame, across: str, down: str) -> Picture:
    """Heat table of `across, down, estimate, n, enough`: agreement in each field, with its n below."""
    # Column names are ours; the dimensions' own names only ever become titles.
    shared = {
        "x": field("across:N", title=across, axis=vega.names(110, orient="top")),
        "y": field("down:N", title=down, axis=vega.names(160)),
        "tooltip": [
            tip("across:N", across),
            tip("down:N", down),
            tip("estimate:Q", "Agreement", ".1%"),
            tip("n:Q", "n", ","),
        ],
    }
    tile = shared | {"color": if_enough(vega.agreement_colour(), THIN)}
    shades = [vega.agreement_shade(row.estimate) if row.enough else THIN for row in frame.itertuples()]
    # As a condition: a field without a scale would take the tiles' scale away, which both layers share.
    ink = shared | {"color": {"condition": {"test": f"datum.ink === '{BLACK}'", "value": BLACK}, "value": WHITE}}
    return vega.picture(
        frame.assign(ink=[vega.ink_on(shade) for shade in shades]),
        layer("rect", tile, cornerRadius=4, stroke="transparent", strokeWidth=3),
        layer("text", ink | {"text": field("shown:N")}, fontSize=14, fontWeight=600, dy=-7),
        layer("text", ink | {"text": field("below:N")}, fontSize=11, dy=11),
        height={"step": 52},
    )


def trend(frame: pd.DataFrame, *, title: str, ceiling: float | None = None) -> Picture:
    """A share over time (`at, when, estimate, low, high, n, enough`) inside its band of uncertainty.

    Steps with too few pairs are grey dots, outside line and band.
    """
    shared = {"x": vega.time_axis(), "tooltip": [tip("when:N", "When"), *_estimate(title)]}
    shown = {"domain": vega.telling(frame), "nice": False}
    band = {"y": field("low:Q", title=title, axis=vega.PERCENT, scale=shown), "y2": {"field": "high"}}
    middle = {"y": field("estimate:Q")}
    layers = [
        layer("area", shared | band, where=vega.ENOUGH, color=CANDIDATE, opacity=0.18, clip=True),
        layer("line", shared | middle, where=vega.ENOUGH, color=CANDIDATE, strokeWidth=2, clip=True),
        layer("point", shared | middle | vega.dots(), filled=True, clip=True, opacity=1),
    ]
    if ceiling is not None:
        layers.append(vega.line_at("y", ceiling, "Ceiling", CEILING))
    return vega.picture(frame, *layers, height=300)


def week(frame: pd.DataFrame) -> Picture:
    """Agreement by weekday and hour (`weekday, hour, estimate, n, enough`), UTC."""
    encoding = {
        "x": field("hour:O", sort=list(measures.HOURS), title="Hour of day (UTC)", axis=vega.names(60)),
        "y": field("weekday:O", sort=[*WEEKDAYS, measures.ANY], title=None, axis=vega.names(60)),
        "color": if_enough(vega.agreement_colour(), vega.FAINT),
        "tooltip": [
            tip("weekday:N", "Weekday"),
            tip("hour:O", "Hour (UTC)"),
            tip("estimate:Q", "Agreement", ".1%"),
            tip("n:Q", "n", ","),
        ],
    }
    cells = layer("rect", encoding, cornerRadius=3, stroke="transparent", strokeWidth=2)
    return vega.picture(frame, cells, height=vega.ROW)


def stacked(frame: pd.DataFrame, *, title: str, step: Step) -> Picture:
    """Bars over time (`at, when, what, n`), stacked by `what`."""
    kinds = sorted(frame["what"].unique())
    encoding = {
        "x": vega.time_axis(step),
        "y": field("n:Q", title=title, stack="zero", axis={"format": "~s", "tickCount": 4, "tickMinStep": 1}),
        "color": field(
            "what:N",
            title=None,
            scale={"domain": kinds, "range": [vega.COLOURS.get(kind, FRONTIER) for kind in kinds]},
            legend=vega.key_on_top(columns=3),
        ),
        "tooltip": [tip("when:N", "When"), tip("what:N", "What"), tip("n:Q", title, ",")],
    }
    bars = layer("bar", encoding, opacity=0.9, stroke="transparent", strokeWidth=1)
    return vega.picture(frame, bars, height=230)


def _estimate(title: str) -> list[Part]:
    """A share with its interval and its n, for a tooltip."""
    return [
        tip("estimate:Q", title, ".1%"),
        tip("low:Q", "from", ".1%"),
        tip("high:Q", "to", ".1%"),
        tip("n:Q", "n", ","),
    ]
