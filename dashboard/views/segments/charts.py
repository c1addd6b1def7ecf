"""The chart of the Segments page: two dimensions crossed."""

import pandas as pd

from dashboard.ui import vega
from dashboard.ui.vega import BLACK, NOT_ENOUGH_DATA, WHITE, Spec, field, layer, tooltip_line


def crossing(frame: pd.DataFrame, across: str, down: str) -> Spec:
    """Heat map of `across, down, estimate, n, enough`: agreement in each field, with its n below."""
    # The columns have fixed names; the dimensions' own names are only titles.
    shared = {
        "x": field("across:N", title=across, axis=vega.name_axis(110, orient="top")),
        "y": field("down:N", title=down, axis=vega.name_axis(160)),
        "tooltip": [
            tooltip_line("across:N", across),
            tooltip_line("down:N", down),
            tooltip_line("estimate:Q", "Agreement", ".1%"),
            tooltip_line("n:Q", "n", ","),
        ],
    }
    tile = shared | {"color": vega.if_enough_data(vega.agreement_scale(), NOT_ENOUGH_DATA)}
    colours = [vega.agreement_colour(row.estimate) if row.enough else NOT_ENOUGH_DATA for row in frame.itertuples()]
    # As a condition: the layers share one scale, and a colour field without a scale would remove it from the tiles.
    is_black = f"datum.text_colour === '{BLACK}'"
    text = shared | {"color": {"condition": {"test": is_black, "value": BLACK}, "value": WHITE}}
    return vega.chart(
        frame.assign(text_colour=[vega.text_colour_on(colour) for colour in colours]),
        layer("rect", tile, cornerRadius=4, stroke="transparent", strokeWidth=3),
        layer("text", text | {"text": field("shown:N")}, fontSize=14, fontWeight=600, dy=-7),
        layer("text", text | {"text": field("below:N")}, fontSize=11, dy=11),
        height={"step": 52},
    )
