"""Charts of the Confidence page: a measure by confidence with its intervals, and how many pairs lie where."""

import pandas as pd

from dashboard.ui import vega
from dashboard.ui.vega import CANDIDATE, FRONTIER, WORSE, Spec, field, layer, tooltip_line

#: Pixels of the scale at the left, the same in both charts, so that their columns line up.
_SCALE: Spec = {"minExtent": 50, "maxExtent": 50, "titlePadding": 8}


def by_confidence(frame: pd.DataFrame, *, title: str, order: list[str], limit: float | None = None) -> Spec:
    """A measure in each bin (`label, sure_from, sure_to, estimate, low, high, n, enough`) with its interval.

    For agreement, grey bars show how sure the candidate was: a dot within its bar is calibrated. `limit` (of regret)
    is a red line, and then there are no grey bars. Bins are in `order`; those with too few pairs are grey dots.
    """
    shared = {
        "x": field("label:O", title=None, sort=order, scale={"domain": order}, axis=None),
        "tooltip": [tooltip_line("label:N", "Confidence"), *vega.estimate_tooltip(title)],
    }
    # Rows with too few pairs have wide intervals, which would compress all others.
    rows = frame[frame["enough"]] if frame["enough"].any() else frame
    top = 1.0 if limit is None else min(1.0, max(1.2 * limit, 1.1 * float(rows["high"].max())))
    y = {"title": title, "axis": vega.PERCENT | _SCALE, "scale": {"domain": [0, top], "nice": False}}
    interval = {"y": field("low:Q", **y), "y2": {"field": "high"}}
    layers = []
    if limit is None:
        sure = {"y": field("sure_from:Q", **y), "y2": {"field": "sure_to"}}
        layers.append(layer("bar", shared | sure, color=FRONTIER, opacity=0.3, width={"band": 0.9}))
    layers += [
        layer("rule", shared | interval, where=vega.ENOUGH, color=CANDIDATE, opacity=0.5, strokeWidth=3, clip=True),
        layer("point", shared | {"y": field("estimate:Q", **y)} | vega.dot_style(), filled=True, clip=True, opacity=1),
    ]
    if limit is not None:
        layers.append(vega.line_at("y", limit, "Limit", WORSE))
    return vega.chart(frame, *layers, height=240)


def pairs(frame: pd.DataFrame, *, order: list[str]) -> Spec:
    """How many pairs lie in each bin (`label, pairs`)."""
    encoding = {
        "x": field("label:O", title="Confidence", sort=order, scale={"domain": order}, axis={"labelAngle": -40}),
        "y": field("pairs:Q", title="Pairs", axis={"tickCount": 3, "format": "~s"} | _SCALE),
        "tooltip": [tooltip_line("label:N", "Confidence"), tooltip_line("pairs:Q", "pairs", ",")],
    }
    return vega.chart(frame, layer("bar", encoding, color=CANDIDATE, opacity=0.5), height=190)
