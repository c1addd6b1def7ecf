"""Data in, Altair chart out: every picture of the dashboard, and no reading of anything."""

from typing import Any, TypeAlias

import altair as alt
import pandas as pd

from dashboard import drawing, measures
from dashboard.drawing import CANDIDATE, CEILING, FRONTIER, THIN, WORSE
from dashboard.measures import Step

Picture: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart


def ruler(
    estimate: float,
    low: float,
    high: float,
    ceiling: float | None = None,
    *,
    worst: bool = False,
    most: float = 1.0,
    limit: float | None = None,
) -> dict[str, Any]:
    """One share with its interval on a line from 0 to `most`, with the ceiling or the limit as a mark on it.

    For `st.vega_lite_chart`: a page has many of these, and as plain Vega-Lite each costs next to nothing.
    """
    row = {"estimate": estimate, "low": low, "high": min(high, most), "zero": 0.0, "most": most}
    colour = WORSE if worst else CANDIDATE
    scale = {
        "title": None,
        "scale": {"domain": [0, most]},
        "axis": {
            "format": ".0%" if most >= 0.2 else ".1~%", "values": [most * part / 4 for part in range(5)],
            "title": None, "grid": False, "domain": False, "ticks": False,
        },
    }  # fmt: skip

    def layer(field: str, to: str | None = None, **mark: Any) -> dict[str, Any]:
        x = {"field": field, "type": "quantitative", **scale}
        return {"mark": mark, "encoding": {"x": x} | ({"x2": {"field": to}} if to else {})}

    line = {"type": "rule", "strokeWidth": 6, "strokeCap": "round"}
    layers = [
        layer("zero", "most", **line, color=THIN, opacity=0.35),
        layer("low", "high", **line, color=colour, opacity=0.45),
        layer("estimate", type="point", color=colour, filled=True, size=90, opacity=1),
    ]
    for name, place, shade, thickness in (("ceiling", ceiling, CEILING, 3), ("limit", limit, FRONTIER, 2)):
        if place is not None:
            row[name] = place
            layers.append(layer(name, type="tick", color=shade, thickness=thickness, size=18))
    return {"data": {"values": [row]}, "layer": layers, "height": 34}


def segments(
    frame: pd.DataFrame, average: float | None, *, title: str = "Agreement", limit: float | None = None
) -> Picture:
    """Interval plot, in the order of the rows: `label, estimate, low, high, n, q_value, enough, status`.

    The task's average is a dashed line, the limit a red one.
    """
    order = list(frame["label"])
    colour = alt.Color(
        "status:N",
        title=None,
        scale=alt.Scale(domain=[measures.FLAGGED, measures.NOT_FLAGGED, measures.THIN], range=[WORSE, CANDIDATE, THIN]),
        legend=alt.Legend(orient="top", direction="horizontal", symbolOpacity=1, labelLimit=300),
    )
    tooltip = [
        alt.Tooltip("label:N", title="Segment"),
        alt.Tooltip("estimate:Q", title=title, format=".1%"),
        alt.Tooltip("low:Q", title="from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("n:Q", title="n", format=","),
        alt.Tooltip("q_value:Q", title="q", format=".3f"),
        alt.Tooltip("status:N", title="Judgement"),
    ]
    y = alt.Y("label:N", sort=order, title=None, axis=drawing.names(220))
    x = alt.X(
        "low:Q",
        title=f"{title}, with 95% interval",
        axis=drawing.PERCENT,
        scale=alt.Scale(domain=drawing.telling(frame)),
    )
    base = alt.Chart(frame).encode(y=y, color=colour, tooltip=tooltip)
    layers: list[alt.Chart] = [
        base.mark_rule(strokeWidth=5, opacity=0.4, strokeCap="round", clip=True).encode(x=x, x2="high:Q"),
        base.mark_point(filled=True, size=80, opacity=1, clip=True).encode(x="estimate:Q"),
    ]
    for place, name, shade in ((average, "Task average", FRONTIER), (limit, "Limit", WORSE)):
        if place is not None:
            layers.append(
                alt.Chart(pd.DataFrame([{"place": place}]))
                .mark_rule(strokeDash=[5, 4], color=shade, strokeWidth=1.5, clip=True)
                .encode(x="place:Q", tooltip=[alt.Tooltip("place:Q", title=name, format=".1%")])
            )
    return alt.layer(*layers).properties(height=alt.Step(drawing.ROW))


def crossing(frame: pd.DataFrame, across: str, down: str) -> Picture:
    """Heat table of `across, down, estimate, n, enough`: agreement in each field, with its n below."""
    # Field names are ours; the dimensions' own names only ever become titles.
    base = alt.Chart(frame).encode(
        x=alt.X("across:N", title=across, axis=drawing.names(110, orient="top")),
        y=alt.Y("down:N", title=down, axis=drawing.names(160)),
        tooltip=[
            alt.Tooltip("across:N", title=across),
            alt.Tooltip("down:N", title=down),
            alt.Tooltip("estimate:Q", title="Agreement", format=".1%"),
            alt.Tooltip("n:Q", title="n", format=","),
        ],
    )
    enough = alt.datum.enough
    cells = base.mark_rect(cornerRadius=4, stroke="transparent", strokeWidth=3).encode(
        color=alt.condition(enough, drawing.agreement_colour(), alt.value("rgba(154,165,180,0.25)"))
    )
    number = base.mark_text(fontSize=14, fontWeight=600, dy=-7).encode(
        text=alt.Text("shown:N"), color=alt.condition(enough, alt.value("#ffffff"), alt.value(THIN))
    )
    count = base.mark_text(fontSize=11, dy=11).encode(
        text=alt.Text("below:N"), color=alt.condition(enough, alt.value("#ffffff"), alt.value(THIN))
    )
    return alt.layer(cells, number, count).properties(height=alt.Step(52))


def trend(frame: pd.DataFrame, *, title: str, ceiling: float | None = None) -> Picture:
    """A share over time (`at, when, estimate, low, high, n, enough`) inside its band of uncertainty.

    Steps with too few pairs are grey dots, outside line and band.
    """
    x = drawing.time_axis()
    tooltip = [
        alt.Tooltip("when:N", title="When"),
        alt.Tooltip("estimate:Q", title=title, format=".1%"),
        alt.Tooltip("low:Q", title="from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("n:Q", title="n", format=","),
    ]
    base = alt.Chart(frame).encode(x=x, tooltip=tooltip)
    telling = base.transform_filter(alt.datum.enough)
    shown = alt.Scale(domain=drawing.telling(frame), nice=False)
    layers: list[alt.Chart] = [
        telling.mark_area(color=CANDIDATE, opacity=0.18, clip=True).encode(
            y=alt.Y("low:Q", title=title, axis=drawing.PERCENT, scale=shown), y2="high:Q"
        ),
        telling.mark_line(color=CANDIDATE, strokeWidth=2, clip=True).encode(y="estimate:Q"),
        base.mark_point(filled=True, clip=True, opacity=1).encode(
            y="estimate:Q",
            color=alt.condition(alt.datum.enough, alt.value(CANDIDATE), alt.value(THIN)),
            size=alt.condition(alt.datum.enough, alt.value(28), alt.value(10)),
        ),
    ]
    if ceiling is not None:
        line = pd.DataFrame([{"ceiling": ceiling}])
        layers.append(
            alt.Chart(line)
            .mark_rule(color=CEILING, strokeDash=[5, 4], strokeWidth=1.5)
            .encode(y="ceiling:Q", tooltip=[alt.Tooltip("ceiling:Q", title="Ceiling", format=".1%")])
        )
    return alt.layer(*layers).properties(height=300)


def week(frame: pd.DataFrame) -> Picture:
    """Agreement by weekday and hour (`weekday, hour, estimate, n, enough`), UTC."""
    base = alt.Chart(frame).encode(
        x=alt.X(
            "hour:O",
            sort=list(measures.HOURS),
            title="Hour of day (UTC)",
            axis=drawing.names(60),
        ),
        y=alt.Y("weekday:O", sort=[*measures.WEEKDAYS, measures.ANY], title=None, axis=drawing.names(60)),
        tooltip=[
            alt.Tooltip("weekday:N", title="Weekday"),
            alt.Tooltip("hour:O", title="Hour (UTC)"),
            alt.Tooltip("estimate:Q", title="Agreement", format=".1%"),
            alt.Tooltip("n:Q", title="n", format=","),
        ],
    )
    cells = base.mark_rect(cornerRadius=3, stroke="transparent", strokeWidth=2).encode(
        color=alt.condition(alt.datum.enough, drawing.agreement_colour(), alt.value("rgba(154,165,180,0.25)"))
    )
    return alt.layer(cells).properties(height=alt.Step(26))


def stacked(frame: pd.DataFrame, *, title: str, step: Step) -> Picture:
    """Bars over time (`at, when, what, n`), stacked by `what`."""
    kinds = sorted(frame["what"].unique())
    colours = [drawing.COLOURS.get(kind, FRONTIER) for kind in kinds]
    picture: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(opacity=0.9, stroke="transparent", strokeWidth=1)
        .encode(
            x=drawing.time_axis(step),
            y=alt.Y("n:Q", title=title, stack="zero", axis=alt.Axis(format="~s", tickCount=4, tickMinStep=1)),
            color=alt.Color(
                "what:N",
                title=None,
                scale=alt.Scale(domain=kinds, range=colours),
                legend=alt.Legend(orient="top", direction="horizontal", columns=3),
            ),
            tooltip=[
                alt.Tooltip("when:N", title="When"),
                alt.Tooltip("what:N", title="What"),
                alt.Tooltip("n:Q", title=title, format=","),
            ],
        )
        .properties(height=230)
    )
    return picture
