"""Pictures of the Regret page: the rate over time with all that happened meanwhile."""

from datetime import datetime
from typing import Final, Literal

import altair as alt
import pandas as pd

from dashboard import drawing
from dashboard.charts import Picture
from dashboard.drawing import CANDIDATE, FRONTIER, THIN, WORSE

#: Room for the scale at the left, the same in both pictures, so that their times stand above each other.
_SCALE: Final = 46

_SEVERITIES: Final = {"critical": WORSE, "warning": drawing.AMBER}

#: Incidents whose name is written; more would be unreadable, and all of them have a tooltip.
_MOST_NAMED: Final = 9

#: The start and the end of the window.
Span = tuple[datetime, datetime]


def over_time(
    frame: pd.DataFrame, *, limit: float | None, incidents: pd.DataFrame, stages: pd.DataFrame, span: Span
) -> Picture:
    """Regret of each period in its band, the running figure, the limit, incidents and changes of stage."""
    top = _top(frame, limit)
    y = alt.Y("low:Q", title="Regret", axis=_percent(top), scale=alt.Scale(domain=[0, top], nice=False))
    x = _time()
    tooltip = [
        alt.Tooltip("when:N", title="When"),
        alt.Tooltip("estimate:Q", title="Regret", format=".2%"),
        alt.Tooltip("low:Q", title="from", format=".2%"),
        alt.Tooltip("high:Q", title="to", format=".2%"),
        alt.Tooltip("n:Q", title="n", format=","),
        alt.Tooltip("running:Q", title="Since the start of the window", format=".2%"),
        alt.Tooltip("running_n:Q", title="n", format=","),
    ]
    base = alt.Chart(frame).encode(x=x, tooltip=tooltip)
    telling = base.transform_filter(alt.datum.enough)
    layers: list[alt.Chart] = [
        _whole(span),
        *_incidents(incidents, span),
        telling.mark_area(color=CANDIDATE, opacity=0.2, clip=True).encode(y=y, y2="high:Q", detail="run:N"),
        telling.mark_rule(color=CANDIDATE, opacity=0.35, strokeWidth=3, clip=True).encode(y="low:Q", y2="high:Q"),
        base.mark_line(color=FRONTIER, strokeWidth=1, opacity=0.8, clip=True).encode(y="running_low:Q"),
        base.mark_line(color=FRONTIER, strokeWidth=1, opacity=0.8, clip=True).encode(y="running_high:Q"),
        base.mark_line(color=FRONTIER, strokeWidth=2.5, clip=True).encode(y="running:Q"),
        telling.mark_line(color=CANDIDATE, strokeWidth=1.5, clip=True).encode(y="estimate:Q", detail="run:N"),
        base.mark_point(filled=True, clip=True, opacity=1).encode(
            y="estimate:Q",
            color=alt.condition(alt.datum.enough, alt.value(CANDIDATE), alt.value(THIN)),
            size=alt.condition(alt.datum.enough, alt.value(28), alt.value(10)),
        ),
    ]
    if limit is not None:
        layers.append(
            alt.Chart(pd.DataFrame([{"limit": limit}]))
            .mark_rule(color=WORSE, strokeDash=[5, 4], strokeWidth=1.5)
            .encode(y="limit:Q", tooltip=[alt.Tooltip("limit:Q", title="Limit", format=".1%")])
        )
    return alt.layer(*layers, *_stages(stages, x, words=True)).properties(height=300)


def served(frame: pd.DataFrame, *, stages: pd.DataFrame, span: Span) -> Picture:
    """The share of traffic that the candidate served, under the same times."""
    top = min(1.0, 1.2 * float(frame["share"].max()) + 0.02)
    # The last period lasts until its end, not only at its start.
    lasting = pd.concat([frame, frame.tail(1).assign(at=pd.Timestamp(span[1]))], ignore_index=True)
    area = (
        alt.Chart(lasting)
        .mark_area(color=CANDIDATE, opacity=0.35, interpolate="step-after", line={"color": CANDIDATE}, clip=True)
        .encode(
            x=_time(),
            y=alt.Y("share:Q", title="Served", axis=_percent(top, 3), scale=alt.Scale(domain=[0, top], nice=False)),
            tooltip=[
                alt.Tooltip("when:N", title="When"),
                alt.Tooltip("share:Q", title="Served by the candidate", format=".1%"),
                alt.Tooltip("n:Q", title="pairs", format=","),
            ],
        )
    )
    return alt.layer(_whole(span), area, *_stages(stages, _time(), words=False)).properties(height=110)


def _incidents(frame: pd.DataFrame, span: Span) -> list[alt.Chart]:
    """A shaded stretch for each incident, and a name for the newest of them."""
    if frame.empty:
        return []
    colour = alt.Color(
        "severity:N", scale=alt.Scale(domain=list(_SEVERITIES), range=list(_SEVERITIES.values())), legend=None
    )
    tooltip = [
        alt.Tooltip("label:N", title="Incident"),
        alt.Tooltip("when:N", title="Since"),
        alt.Tooltip("closed:N", title="Until"),
        alt.Tooltip("summary:N", title="Summary"),
    ]
    base = alt.Chart(frame).encode(x=_time(), tooltip=tooltip)
    layers = [
        base.mark_rect(opacity=0.12, clip=True).encode(x2="until:T", color=colour),
        base.mark_rule(strokeWidth=1.5, clip=True).encode(color=colour),
    ]
    # Names of neighbours stand under each other, and those near the end on the left of their line.
    late = span[1] - (span[1] - span[0]) / 6
    named = frame.tail(_MOST_NAMED)
    for place, at in enumerate(named["at"]):
        align: Literal["left", "right"] = "right" if at > late else "left"
        layers.append(
            alt.Chart(named.iloc[[place]])
            .mark_text(align=align, baseline="top", dx=-5 if at > late else 5, y=20 + 14 * (place % 3), fontSize=11)
            .encode(x=_time(), text="label:N", color=colour, tooltip=tooltip)
        )
    return layers


def _stages(frame: pd.DataFrame, x: alt.X, *, words: bool) -> list[alt.Chart]:
    """A line where the stage changed, with its name at the top."""
    if frame.empty:
        return []
    base = alt.Chart(frame).encode(
        x=x, tooltip=[alt.Tooltip("label:N", title="Stage"), alt.Tooltip("when:N", title="From")]
    )
    rule = base.mark_rule(color=drawing.CEILING, strokeWidth=1.2, clip=True)
    name = base.mark_text(align="left", baseline="top", dx=4, y=4, fontSize=11, color=drawing.CEILING)
    return [rule, name.encode(text="label:N")] if words else [rule]


def _top(frame: pd.DataFrame, limit: float | None) -> float:
    """High enough for every telling band; a period with next to no data must not stretch it."""
    rows = frame[frame["enough"]] if frame["enough"].any() else frame
    highest = max(float(rows["high"].max()), float(frame["running_high"].iloc[-1]), 1.5 * (limit or 0.0))
    return min(1.0, 1.12 * highest)


def _percent(top: float, ticks: int = 5) -> alt.Axis:
    return alt.Axis(
        format=".0%" if top > 0.06 else ".1%", tickCount=ticks, minExtent=_SCALE, maxExtent=_SCALE, titlePadding=8
    )


def _time() -> alt.X:
    axis = alt.Axis(labelOverlap=True, grid=False, tickCount=8)
    return alt.X("at:T", title=None, axis=axis, scale=alt.Scale(type="utc", nice=False))


def _whole(span: Span) -> alt.Chart:
    """Nothing to see: two ends that make the scale reach over all of the span."""
    frame = pd.DataFrame({"at": pd.to_datetime(pd.Series(span, dtype="datetime64[ns, UTC]"))})
    ends: alt.Chart = alt.Chart(frame).mark_point(opacity=0, size=0).encode(x=_time())
    return ends
