"""What all charts share: how they are written, their colours and axes, and the range that an axis shows.

Charts are plain Vega-Lite specifications for `st.vega_lite_chart`: a library that checks every part
of them against Vega-Lite's schema took half of a page's time. Tables are passed beside the
specification and not in it, so what callers wrote is data wherever it shows.

Colours mean the same on every page and are legible on light and on dark: blue is the candidate,
grey the frontier, red is worse than the task's average, violet the ceiling.
"""

from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

import pandas as pd

from dashboard.data.tables import Step

#: A Vega-Lite specification, or a part of one.
Spec: TypeAlias = dict[str, Any]

CANDIDATE: Final = "#4284f4"
FRONTIER: Final = "#8794a8"
WORSE: Final = "#e5534b"
NOT_ENOUGH_DATA: Final = "#9aa5b4"
CEILING: Final = "#9b7bea"
WARNING: Final = "#e9973f"

#: A field of a heat map without enough data.
FAINT: Final = "rgba(154,165,180,0.25)"

#: From worse to better, legible in the middle on white and on near-black: share -> colour.
_AGREEMENT_SCHEME: Final = {0.5: "#c9372c", 0.7: "#e58a54", 0.8: "#d9c56a", 0.9: "#6fb58a", 1.0: "#2f8f6b"}

#: Text colours: on any background, one of the two has a contrast of at least 4.5 to 1.
BLACK: Final = "#000000"
WHITE: Final = "#ffffff"

_TYPES: Final = {"Q": "quantitative", "N": "nominal", "O": "ordinal", "T": "temporal"}

#: The table that a chart's layers read unless they name another one.
_ROWS: Final = "rows"

#: A Vega expression, true for rows with enough data to judge.
ENOUGH: Final = "datum.enough"

PERCENT: Final[Spec] = {"format": ".0%", "tickCount": 5}

#: A time axis: days as `Nov 29` and hours as `14:00`. By default Vega mixes `Sat 28`, `Nov 29` and `December`.
TIME_TICKS: Final[Spec] = {
    "labelOverlap": True,
    "grid": False,
    "tickCount": 8,
    "format": {
        **dict.fromkeys(("year", "quarter", "month", "week", "date", "day"), "%b %d"),
        **dict.fromkeys(("hours", "minutes"), "%H:%M"),
    },
}

#: The height of a chart by its rows.
ROW: Final[Spec] = {"step": 26}


def chart(frame: pd.DataFrame, *layers: Spec, height: int | Spec, **tables: pd.DataFrame) -> Spec:
    """Layers over each other, all of `frame` but those that name one of the further `tables`.

    `height` is in pixels, or `{"step": pixels}` for each row.
    """
    layered: Spec = {"layer": list(layers)} if len(layers) > 1 else layers[0]
    filled = {name: table for name, table in tables.items() if len(table)}
    return {"data": {"name": _ROWS}, **layered, "height": height, "datasets": {_ROWS: frame, **filled}}


def layer(
    mark: str,
    encoding: Spec,
    *,
    where: str | None = None,
    table: str | None = None,
    row: Spec | None = None,
    **style: Any,
) -> Spec:
    """A mark in its `style` for each row of the chart's table, or of `table`, or for the one `row`.

    With `where`, only for rows that the expression selects. An expression is code: never put text
    from a request into one.
    """
    spec: Spec = {"mark": {"type": mark, **style}, "encoding": encoding}
    if where is not None:
        spec["transform"] = [{"filter": where}]
    if table is not None:
        spec["data"] = {"name": table}
    if row is not None:
        spec["data"] = {"values": [row]}
    return spec


def field(column: str, **more: Any) -> Spec:
    """A column with its type, as in `low:Q`: Quantitative, Nominal, Ordinal or Temporal."""
    name, _, kind = column.partition(":")
    return {"field": name, "type": _TYPES[kind], **more}


def tooltip_line(column: str, title: str, number_format: str | None = None) -> Spec:
    """One line of a tooltip."""
    return field(column, title=title) | ({"format": number_format} if number_format else {})


def estimate_tooltip(title: str, number_format: str = ".1%") -> list[Spec]:
    """Tooltip lines for an estimate with its interval and its n."""
    return [
        tooltip_line("estimate:Q", title, number_format),
        tooltip_line("low:Q", "from", number_format),
        tooltip_line("high:Q", "to", number_format),
        tooltip_line("n:Q", "n", ","),
    ]


def if_enough_data(then: Spec | str | int, otherwise: str | int) -> Spec:
    """A channel with the value `then` for rows with enough data to judge, and `otherwise` for the others."""
    chosen = then if isinstance(then, dict) else {"value": then}
    return {"condition": {"test": ENOUGH, **chosen}, "value": otherwise}


def dot_style() -> Spec:
    """Colour and size of a dot: small and grey without enough data."""
    return {"color": if_enough_data(CANDIDATE, NOT_ENOUGH_DATA), "size": if_enough_data(28, 10)}


def line_at(
    axis: Literal["x", "y"],
    place: float,
    name: str,
    colour: str,
    *,
    width: float = 1.5,
    number_format: str | None = ".1%",
) -> Spec:
    """A dashed line across the chart at `place` on `axis`."""
    encoding = {axis: field("place:Q"), "tooltip": [tooltip_line("place:Q", name, number_format)]}
    return layer("rule", encoding, row={"place": place}, color=colour, strokeDash=[5, 4], strokeWidth=width, clip=True)


def name_axis(max_pixels: int, **more: Any) -> Spec:
    """An axis of names, each beside the middle of its row or column and cut at `max_pixels`."""
    return {
        **more, "labelLimit": max_pixels, "labelAngle": 0, "labelOverlap": False, "labelFlush": False,
        "ticks": False, "domain": False, "grid": False,
    }  # fmt: skip


def legend_on_top(**more: Any) -> Spec:
    """A legend in a line above the chart."""
    return {"orient": "top", "direction": "horizontal", **more}


def share_range(frame: pd.DataFrame) -> list[float]:
    """The range of an axis of shares: what the intervals with enough data span, and 0.05 on each side.

    A row with little data has a wide interval, which would compress all others.
    """
    rows = frame[frame["enough"]] if frame["enough"].any() else frame
    return [max(0.0, float(rows["low"].min()) - 0.05), min(1.0, float(rows["high"].max()) + 0.05)]


def time_axis(step: Step | None = None) -> Spec:
    """An axis in UTC, whatever the reader's zone, because rollups are cut at UTC hours. With `step`, bars as wide."""
    units: dict[Step, str] = {"day": "utcyearmonthdate", "hour": "utcyearmonthdatehours"}
    found = field("at:T", title="UTC", axis=TIME_TICKS, scale={"type": "utc"})
    return found if step is None else found | {"timeUnit": units[step]}


def agreement_colour(share: float) -> str:
    """The colour that `agreement_scale` gives a share."""
    places = list(_AGREEMENT_SCHEME)
    at = min(max(share, places[0]), places[-1])
    below, above = next((low, high) for low, high in pairwise(places) if at <= high)
    mixed = (
        low + (high - low) * (at - below) / (above - below)
        for low, high in zip(_channels(_AGREEMENT_SCHEME[below]), _channels(_AGREEMENT_SCHEME[above]), strict=True)
    )
    return "#" + "".join(f"{round(channel):02x}" for channel in mixed)


def text_colour_on(background: str) -> str:
    """Black or white, whichever has the higher contrast on `background`."""
    return max((BLACK, WHITE), key=lambda colour: contrast(colour, background))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21, as WCAG 2 defines it."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    linear = (
        (channel / 255) / 12.92 if channel <= 10 else ((channel / 255 + 0.055) / 1.055) ** 2.4
        for channel in _channels(colour)
    )
    return sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _channels(colour: str) -> list[int]:
    """Red, green and blue of `#rrggbb`."""
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


def agreement_scale() -> Spec:
    """The colour of a field by its agreement."""
    return field(
        "estimate:Q",
        title=None,
        scale={
            "domain": list(_AGREEMENT_SCHEME), "range": list(_AGREEMENT_SCHEME.values()), "clamp": True,
            "interpolate": "rgb",  # as `agreement_colour` does
        },
        legend={
            "orient": "bottom", "format": ".0%", "values": [0.5, 0.75, 1], "gradientLength": 220,
            "gradientThickness": 8,
        },
    )  # fmt: skip
