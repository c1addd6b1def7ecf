"""What all pictures share: how they are written, colours, axes, and the range that is worth showing.

Pictures are Vega-Lite as it is, for `st.vega_lite_chart`: a library that checks every part of
them against Vega-Lite's schema took half of a page's time. Tables go along beside the picture
and not in it, so what callers wrote is data wherever it shows.

Colours mean the same on every page and hold on light and on dark: blue is the candidate,
grey the frontier, red is worse than the task's average, violet the ceiling.
"""

from itertools import pairwise
from typing import Any, Final, Literal, TypeAlias

import pandas as pd

from dashboard.data import measures
from dashboard.data.measures import Step

#: A whole picture, and a part of one.
Picture: TypeAlias = dict[str, Any]
Part: TypeAlias = dict[str, Any]

CANDIDATE: Final = "#4284f4"
FRONTIER: Final = "#8794a8"
WORSE: Final = "#e5534b"
THIN: Final = "#9aa5b4"
CEILING: Final = "#9b7bea"
AMBER: Final = "#e9973f"

#: Where there is too little to give a field its colour.
FAINT: Final = "rgba(154,165,180,0.25)"

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

#: From worse to better, readable in the middle on white and on near-black: share -> colour.
_AGREEMENT_SCHEME: Final = {0.5: "#c9372c", 0.7: "#e58a54", 0.8: "#d9c56a", 0.9: "#6fb58a", 1.0: "#2f8f6b"}

#: What text is written in: from any colour, one of the two stands apart by 4.5 to 1 or more.
BLACK: Final = "#000000"
WHITE: Final = "#ffffff"

_TYPES: Final = {"Q": "quantitative", "N": "nominal", "O": "ordinal", "T": "temporal"}

#: The name of the table that a picture's layers read where they name no other.
_ROWS: Final = "rows"

#: Holds for rows with enough data to tell anything.
ENOUGH: Final = "datum.enough"

PERCENT: Final[Part] = {"format": ".0%", "tickCount": 5}

#: A height that lets a reader see a row without a magnifying glass.
ROW: Final[Part] = {"step": 26}


def picture(frame: pd.DataFrame, *layers: Part, height: int | Part, **tables: pd.DataFrame) -> Picture:
    """Layers over each other, all of `frame` but those that name one of the further `tables`.

    `height` is in pixels, or `{"step": pixels}` for each row.
    """
    drawn: Picture = {"layer": list(layers)} if len(layers) > 1 else layers[0]
    filled = {name: table for name, table in tables.items() if len(table)}
    return {"data": {"name": _ROWS}, **drawn, "height": height, "datasets": {_ROWS: frame, **filled}}


def layer(
    mark: str,
    encoding: Part,
    *,
    where: str | None = None,
    table: str | None = None,
    row: Part | None = None,
    **style: Any,
) -> Part:
    """A mark in its `style` for each row, or for those `where` an expression holds; of `table`, or of one `row`.

    Expressions are ours: nothing that a caller wrote may stand in one.
    """
    drawn: Part = {"mark": {"type": mark, **style}, "encoding": encoding}
    if where is not None:
        drawn["transform"] = [{"filter": where}]
    if table is not None:
        drawn["data"] = {"name": table}
    if row is not None:
        drawn["data"] = {"values": [row]}
    return drawn


def field(column: str, **more: Any) -> Part:
    """A column with its type, as in `low:Q`: Quantitative, Nominal, Ordinal or Time."""
    name, _, kind = column.partition(":")
    return {"field": name, "type": _TYPES[kind], **more}


def tip(column: str, title: str, shown: str | None = None) -> Part:
    """A line of a tooltip; `shown` is the format of its number."""
    return field(column, title=title) | ({"format": shown} if shown else {})


def if_enough(then: Part | str | int, otherwise: str | int) -> Part:
    """A channel that depends on whether the row has enough data to tell anything."""
    chosen = then if isinstance(then, dict) else {"value": then}
    return {"condition": {"test": ENOUGH, **chosen}, "value": otherwise}


def dots() -> Part:
    """Colour and size of a dot: small and grey where there is too little to tell anything."""
    return {"color": if_enough(CANDIDATE, THIN), "size": if_enough(28, 10)}


def line_at(
    axis: Literal["x", "y"], place: float, name: str, shade: str, *, thick: float = 1.5, shown: str | None = ".1%"
) -> Part:
    """A dashed line across the picture where `axis` is at `place`."""
    encoding = {axis: field("place:Q"), "tooltip": [tip("place:Q", name, shown)]}
    return layer("rule", encoding, row={"place": place}, color=shade, strokeDash=[5, 4], strokeWidth=thick, clip=True)


def names(limit: int, **more: Any) -> Part:
    """An axis of names, each shown (up to `limit` pixels) beside the middle of its row or column."""
    return {
        **more, "labelLimit": limit, "labelAngle": 0, "labelOverlap": False, "labelFlush": False,
        "ticks": False, "domain": False, "grid": False,
    }  # fmt: skip


def key_on_top(**more: Any) -> Part:
    """What the colours mean, in a line above the picture."""
    return {"orient": "top", "direction": "horizontal", **more}


def telling(frame: pd.DataFrame) -> list[float]:
    """The range of shares that has to be shown: what rows with enough data span, and a little more.

    A row with next to no data would stretch the axis until nothing else could be read.
    """
    rows = frame[frame["enough"]] if frame["enough"].any() else frame
    return [max(0.0, float(rows["low"].min()) - 0.05), min(1.0, float(rows["high"].max()) + 0.05)]


def time_axis(step: Step | None = None) -> Part:
    """In UTC wherever the reader sits, for rollups are cut at UTC hours. With `step`, as wide as a step."""
    axis = {"labelOverlap": True, "grid": False, "tickCount": 8}
    units: dict[Step, str] = {"day": "utcyearmonthdate", "hour": "utcyearmonthdatehours"}
    found = field("at:T", title="UTC", axis=axis, scale={"type": "utc"})
    return found if step is None else found | {"timeUnit": units[step]}


def agreement_shade(share: float) -> str:
    """The colour that `agreement_colour` gives a share."""
    places = list(_AGREEMENT_SCHEME)
    at = min(max(share, places[0]), places[-1])
    below, above = next((low, high) for low, high in pairwise(places) if at <= high)
    mixed = (
        low + (high - low) * (at - below) / (above - below)
        for low, high in zip(_parts(_AGREEMENT_SCHEME[below]), _parts(_AGREEMENT_SCHEME[above]), strict=True)
    )
    return "#" + "".join(f"{round(part):02x}" for part in mixed)


def ink_on(shade: str) -> str:
    """The colour in which text is best read on `shade`."""
    return max((BLACK, WHITE), key=lambda ink: contrast(ink, shade))


def contrast(one: str, other: str) -> float:
    """How far two colours stand apart, from 1 to 21, as WCAG 2 counts it."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(shade: str) -> float:
    linear = ((part / 255) / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in _parts(shade))
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _parts(shade: str) -> list[int]:
    """Red, green and blue of `#rrggbb`."""
    return [int(shade[place : place + 2], 16) for place in (1, 3, 5)]


def window_colour() -> Part:
    return field(
        "window:N",
        title=None,
        scale={"domain": ["reference", "current"], "range": [FRONTIER, CANDIDATE]},
        legend=key_on_top(symbolOpacity=1, symbolType="square"),
    )


def agreement_colour() -> Part:
    return field(
        "estimate:Q",
        title=None,
        scale={
            "domain": list(_AGREEMENT_SCHEME), "range": list(_AGREEMENT_SCHEME.values()), "clamp": True,
            "interpolate": "rgb",  # as `agreement_shade` does
        },
        legend={
            "orient": "bottom", "format": ".0%", "values": [0.5, 0.75, 1], "gradientLength": 220,
            "gradientThickness": 8,
        },
    )  # fmt: skip
