"""Pictures of the Regret page: the rate over time with all that happened meanwhile."""

from datetime import datetime
from typing import Final

import pandas as pd

from dashboard.ui import vega
from dashboard.ui.vega import CANDIDATE, FRONTIER, WORSE, Part, Picture, field, layer, tip

#: Room for the scale at the left, the same in both pictures, so that their times stand above each other.
_SCALE: Final = 46

_SEVERITIES: Final = {"critical": WORSE, "warning": vega.AMBER}

#: Incidents whose name is written; more would be unreadable, and all of them have a tooltip.
_MOST_NAMED: Final = 9

#: Lines in which those names stand.
_LINES: Final = 3

#: The start and the end of the window.
Span = tuple[datetime, datetime]


def over_time(
    frame: pd.DataFrame, *, limit: float | None, incidents: pd.DataFrame, stages: pd.DataFrame, span: Span
) -> Picture:
    """Regret of each period in its band, the running figure, the limit, incidents and changes of stage."""
    top = _top(frame, limit)
    shared = {
        "x": _time(),
        "tooltip": [
            tip("when:N", "When"),
            tip("estimate:Q", "Regret", ".2%"),
            tip("low:Q", "from", ".2%"),
            tip("high:Q", "to", ".2%"),
            tip("n:Q", "n", ","),
            tip("running:Q", "Since the start of the window", ".2%"),
            tip("running_n:Q", "n", ","),
        ],
    }
    y = field("low:Q", title="Regret", axis=_percent(top), scale={"domain": [0, top], "nice": False})
    high = {"y2": {"field": "high"}}
    run = {"detail": field("run:N")}
    estimate = {"y": field("estimate:Q")}
    enough = vega.ENOUGH
    layers = [
        _whole(span),
        *_incidents(incidents, span),
        layer("area", shared | high | run | {"y": y}, where=enough, color=CANDIDATE, opacity=0.2, clip=True),
        layer(
            "rule", shared | high | {"y": field("low:Q")}, where=enough, color=CANDIDATE, opacity=0.35,
            strokeWidth=3, clip=True,
        ),
        *(
            layer("line", shared | {"y": field(column)}, color=FRONTIER, strokeWidth=width, opacity=opacity, clip=True)
            for column, width, opacity in (("running_low:Q", 1, 0.8), ("running_high:Q", 1, 0.8), ("running:Q", 2.5, 1))
        ),
        layer("line", shared | estimate | run, where=enough, color=CANDIDATE, strokeWidth=1.5, clip=True),
        layer("point", shared | estimate | vega.dots(), filled=True, clip=True, opacity=1),
    ]  # fmt: skip
    if limit is not None:
        layers.append(vega.line_at("y", limit, "Limit", WORSE))
    layers += _stages(stages, words=True)
    return vega.picture(frame, *layers, height=300, incidents=_placed(incidents, span), stages=stages)


def served(frame: pd.DataFrame, *, stages: pd.DataFrame, span: Span) -> Picture:
    """The share of traffic that the candidate served, under the same times."""
    top = min(1.0, 1.2 * float(frame["share"].max()) + 0.02)
    # The last period lasts until its end, not only at its start.
    lasting = pd.concat([frame, frame.tail(1).assign(at=pd.Timestamp(span[1]))], ignore_index=True)
    encoding = {
        "x": _time(),
        "y": field("share:Q", title="Served", axis=_percent(top, 3), scale={"domain": [0, top], "nice": False}),
        "tooltip": [
            tip("when:N", "When"),
            tip("share:Q", "Served by the candidate", ".1%"),
            tip("n:Q", "pairs", ","),
        ],
    }
    area = layer(
        "area", encoding, color=CANDIDATE, opacity=0.35, interpolate="step-after", line={"color": CANDIDATE}, clip=True
    )
    return vega.picture(lasting, _whole(span), area, *_stages(stages, words=False), height=110, stages=stages)


def _incidents(frame: pd.DataFrame, span: Span) -> list[Part]:
    """A shaded stretch for each incident, and a name for the newest of them."""
    if frame.empty:
        return []
    shared = {
        "x": _time(),
        "color": field(
            "severity:N",
            scale={"domain": list(_SEVERITIES), "range": list(_SEVERITIES.values())},
            legend=None,
        ),
        "tooltip": [
            tip("label:N", "Incident"),
            tip("when:N", "Since"),
            tip("closed:N", "Until"),
            tip("summary:N", "Summary"),
        ],
    }
    return [
        layer("rect", shared | {"x2": {"field": "until"}}, table="incidents", opacity=0.12, clip=True),
        layer("rule", shared, table="incidents", strokeWidth=1.5, clip=True),
        *(
            layer(
                "text", shared | {"text": field("label:N")}, table="incidents",
                where=f"datum.side == '{side}' && datum.line == {line}",
                align=side, baseline="top", dx=-5 if side == "right" else 5, y=20 + 14 * line, fontSize=11,
            )
            for side, line in sorted(set(_sides(frame, span)))
        ),
    ]  # fmt: skip


def _placed(frame: pd.DataFrame, span: Span) -> pd.DataFrame:
    """The incidents with where the name of each stands: on which `side` of its start, and in which `line`."""
    placed = _sides(frame, span)
    unnamed = [None] * (len(frame) - len(placed))
    return frame.assign(side=[*unnamed, *(side for side, _ in placed)], line=[*unnamed, *(line for _, line in placed)])


def _sides(frame: pd.DataFrame, span: Span) -> list[tuple[str, int]]:
    """Of the newest: names of neighbours stand under each other, and those near the end on the left of their line."""
    late = span[1] - (span[1] - span[0]) / 6
    starts = frame["at"].tail(_MOST_NAMED)
    return [("right" if at > late else "left", place % _LINES) for place, at in enumerate(starts)]


def _stages(frame: pd.DataFrame, *, words: bool) -> list[Part]:
    """A line where the stage changed, with its name at the top."""
    if frame.empty:
        return []
    shared = {"x": _time(), "tooltip": [tip("label:N", "Stage"), tip("when:N", "From")]}
    rule = layer("rule", shared, table="stages", color=vega.CEILING, strokeWidth=1.2, clip=True)
    name = layer(
        "text", shared | {"text": field("label:N")}, table="stages", color=vega.CEILING,
        align="left", baseline="top", dx=4, y=4, fontSize=11,
    )  # fmt: skip
    return [rule, name] if words else [rule]


def _top(frame: pd.DataFrame, limit: float | None) -> float:
    """High enough for every telling band; a period with next to no data must not stretch it."""
    rows = frame[frame["enough"]] if frame["enough"].any() else frame
    highest = max(float(rows["high"].max()), float(frame["running_high"].iloc[-1]), 1.5 * (limit or 0.0))
    return min(1.0, 1.12 * highest)


def _percent(top: float, ticks: int = 5) -> Part:
    return {
        "format": ".0%" if top > 0.06 else ".1%", "tickCount": ticks, "minExtent": _SCALE, "maxExtent": _SCALE,
        "titlePadding": 8,
    }  # fmt: skip


def _time() -> Part:
    axis = {"labelOverlap": True, "grid": False, "tickCount": 8}
    return field("at:T", title=None, axis=axis, scale={"type": "utc", "nice": False})


def _whole(span: Span) -> Part:
    """Nothing to see: two ends that make the scale reach over all of the span."""
    ends = [{"at": end.isoformat()} for end in span]
    return layer("point", {"x": _time()}, opacity=0, size=0) | {"data": {"values": ends}}
