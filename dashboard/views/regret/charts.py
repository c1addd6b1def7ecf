"""Charts of the Regret page: regret over time with incidents and stages, and the served share."""

from datetime import datetime
from typing import Final

import pandas as pd

from dashboard.ui import vega
from dashboard.ui.vega import CANDIDATE, FRONTIER, WORSE, Spec, field, layer, tooltip_line

#: Pixels of the scale at the left, the same in both charts, so that their time axes line up.
_SCALE_WIDTH: Final = 46

_SEVERITIES: Final = {"critical": WORSE, "warning": vega.WARNING}

#: Incidents with a visible name, the newest ones; more would be illegible. All of them have a tooltip.
_MAX_NAMED: Final = 9

#: Lines over which those names are spread.
_LINES: Final = 3

#: The start and the end of the time axis.
Span = tuple[datetime, datetime]


def over_time(
    frame: pd.DataFrame, *, limit: float | None, incidents: pd.DataFrame, stages: pd.DataFrame, span: Span
) -> Spec:
    """Regret of each period in its band, the running regret, the limit, incidents and changes of stage."""
    top = _scale_top(frame, limit)
    shared = {
        "x": _time_axis(),
        "tooltip": [
            tooltip_line("when:N", "When"),
            *vega.estimate_tooltip("Regret", ".2%"),
            tooltip_line("running:Q", "Since the start of the window", ".2%"),
            tooltip_line("running_n:Q", "n", ","),
        ],
    }
    y = field("low:Q", title="Regret", axis=_percent_axis(top), scale={"domain": [0, top], "nice": False})
    high = {"y2": {"field": "high"}}
    run = {"detail": field("run:N")}
    estimate = {"y": field("estimate:Q")}
    enough = vega.ENOUGH
    layers = [
        _span_ends(span),
        *_incident_layers(incidents, span),
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
        layer("point", shared | estimate | vega.dot_style(), filled=True, clip=True, opacity=1),
    ]  # fmt: skip
    if limit is not None:
        layers.append(vega.line_at("y", limit, "Limit", WORSE))
    layers += _stage_layers(stages, with_names=True)
    return vega.chart(frame, *layers, height=300, incidents=_with_label_places(incidents, span), stages=stages)


def served(frame: pd.DataFrame, *, stages: pd.DataFrame, span: Span) -> Spec:
    """The share of traffic that the candidate served, on the same time axis."""
    top = min(1.0, 1.2 * float(frame["share"].max()) + 0.02)
    # A second row for the last period, at its end: a step chart would otherwise stop at its start.
    extended = pd.concat([frame, frame.tail(1).assign(at=pd.Timestamp(span[1]))], ignore_index=True)
    encoding = {
        "x": _time_axis(),
        "y": field("share:Q", title="Served", axis=_percent_axis(top, 3), scale={"domain": [0, top], "nice": False}),
        "tooltip": [
            tooltip_line("when:N", "When"),
            tooltip_line("share:Q", "Served by the candidate", ".1%"),
            tooltip_line("n:Q", "pairs", ","),
        ],
    }
    area = layer(
        "area", encoding, color=CANDIDATE, opacity=0.35, interpolate="step-after", line={"color": CANDIDATE}, clip=True
    )
    layers = (_span_ends(span), area, *_stage_layers(stages, with_names=False))
    return vega.chart(extended, *layers, height=110, stages=stages)


def _incident_layers(frame: pd.DataFrame, span: Span) -> list[Spec]:
    """A shaded range for each incident, and names for the newest."""
    if frame.empty:
        return []
    shared = {
        "x": _time_axis(),
        "color": field(
            "severity:N",
            scale={"domain": list(_SEVERITIES), "range": list(_SEVERITIES.values())},
            legend=None,
        ),
        "tooltip": [
            tooltip_line("label:N", "Incident"),
            tooltip_line("when:N", "Since"),
            tooltip_line("closed:N", "Until"),
            tooltip_line("summary:N", "Summary"),
        ],
    }
    return [
        layer("rect", shared | {"x2": {"field": "until"}}, table="incidents", opacity=0.12, clip=True),
        layer("rule", shared, table="incidents", strokeWidth=1.5, clip=True),
        *(
            layer(
                "text", shared | {"text": field("label:N")}, table="incidents",
                where=f"datum.align == '{align}' && datum.line == {line}",
                align=align, baseline="top", dx=-5 if align == "right" else 5, y=20 + 14 * line, fontSize=11,
            )
            for align, line in sorted(set(_label_places(frame, span)))
        ),
    ]  # fmt: skip


def _with_label_places(frame: pd.DataFrame, span: Span) -> pd.DataFrame:
    """The incidents with two more columns, `align` and `line` of each name; None for those without one."""
    places = _label_places(frame, span)
    unnamed = [None] * (len(frame) - len(places))
    return frame.assign(
        align=[*unnamed, *(align for align, _ in places)], line=[*unnamed, *(line for _, line in places)]
    )


def _label_places(frame: pd.DataFrame, span: Span) -> list[tuple[str, int]]:
    """The alignment and the line of each name, for the newest incidents.

    Names of neighbours are on different lines, and names near the end of the axis are on the left
    of their incident.
    """
    late = span[1] - (span[1] - span[0]) / 6
    starts = frame["at"].tail(_MAX_NAMED)
    return [("right" if at > late else "left", index % _LINES) for index, at in enumerate(starts)]


def _stage_layers(frame: pd.DataFrame, *, with_names: bool) -> list[Spec]:
    """A line at each change of stage, with its name at the top."""
    if frame.empty:
        return []
    shared = {"x": _time_axis(), "tooltip": [tooltip_line("label:N", "Stage"), tooltip_line("when:N", "From")]}
    rule = layer("rule", shared, table="stages", color=vega.CEILING, strokeWidth=1.2, clip=True)
    name = layer(
        "text", shared | {"text": field("label:N")}, table="stages", color=vega.CEILING,
        align="left", baseline="top", dx=4, y=4, fontSize=11,
    )  # fmt: skip
    return [rule, name] if with_names else [rule]


def _scale_top(frame: pd.DataFrame, limit: float | None) -> float:
    """The end of the regret axis: above every interval with enough data. Others would stretch it."""
    rows = frame[frame["enough"]] if frame["enough"].any() else frame
    highest = max(float(rows["high"].max()), float(frame["running_high"].iloc[-1]), 1.5 * (limit or 0.0))
    return min(1.0, 1.12 * highest)


def _percent_axis(top: float, ticks: int = 5) -> Spec:
    return {
        "format": ".0%" if top > 0.06 else ".1%", "tickCount": ticks, "minExtent": _SCALE_WIDTH,
        "maxExtent": _SCALE_WIDTH, "titlePadding": 8,
    }  # fmt: skip


def _time_axis() -> Spec:
    return field("at:T", title=None, axis=vega.TIME_TICKS, scale={"type": "utc", "nice": False})


def _span_ends(span: Span) -> Spec:
    """Two invisible points, which make the time axis cover all of the span."""
    ends = [{"at": end.isoformat()} for end in span]
    return layer("point", {"x": _time_axis()}, opacity=0, size=0) | {"data": {"values": ends}}
