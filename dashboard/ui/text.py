"""Numbers, times and untrusted names as text for the page.

Streamlit reads Markdown in headings, labels, captions and badges. Task names, segment values
and model names come from requests, so they may hold Markdown that loads an image or makes a
link: pass them through `escape_markdown` wherever Streamlit would read them.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from shadow.records import INELIGIBLE

_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")

#: After parsing, these make a bare address, an e-mail address or an emoji code.
_TRIGGER: Final = re.compile(r"([:@]|www)", re.IGNORECASE)

#: Invisible, never breaks a line, and is part of no address.
_JOINER: Final = "\u2060"

#: Shown where there is no number. Never 0: a missing value is not a measurement.
MISSING: Final = "–"


def escape_markdown(name: str) -> str:
    """`name` so that Markdown shows exactly its characters: no image, no link, no emphasis."""
    one_line = " ".join(_TRIGGER.sub(rf"\1{_JOINER}", name).split())
    return _PUNCTUATION.sub(r"\\\1", one_line)


def percent(share: float | None, digits: int = 1) -> str:
    """0.921 as `92.1%`."""
    return MISSING if share is None else f"{100 * share:.{digits}f}%"


def interval(low: float | None, high: float | None) -> str:
    """An interval of shares as `90.2 to 93.8%`."""
    return MISSING if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}%"


def rate(share: float | None) -> str:
    """A share that is mostly small: `12.4%`, and `0.35%` below one in a hundred."""
    return percent(share, 2 if share is not None and 0 < abs(share) < 0.00995 else 1)


def whole(n: float | None) -> str:
    """12345 as `12,345`."""
    return MISSING if n is None else f"{n:,.0f}"


def milliseconds(value: float | None) -> str:
    """A latency as `812 ms` or `3.4 s`."""
    if value is None:
        return MISSING
    return f"{value:,.0f} ms" if value < 9_950 else f"{value / 1_000:,.1f} s"


def dollars(value: float | None) -> str:
    """A sum with three significant digits, or more where it is large: `$0.00123`, `$12.30`, `$4,567`."""
    if value is None:
        return MISSING
    if value == 0 or value >= 1_000:
        return f"${value:,.0f}"
    if value >= 0.1:
        return f"${value:,.2f}"
    return f"${float(f'{value:.3g}'):.10f}".rstrip("0")


def ratio(candidate: float | None, frontier: float | None) -> str:
    """The candidate's value over the frontier's: `×0.12`."""
    return MISSING if candidate is None or not frontier else f"×{candidate / frontier:.2f}"


def q_value(value: float | None) -> str:
    """A p-value corrected for multiple tests as `q 0.031` or `q < 0.001`."""
    if value is None:
        return ""
    # 999 permutations give no smaller p-value than 0.001, and the correction makes it larger.
    return f"q {value:.3f}" if value >= 0.001 else "q < 0.001"


def timestamp(at: datetime | None) -> str:
    """A time in UTC, to the minute: `2026-09-01 14:30 UTC`."""
    return MISSING if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def duration(span: timedelta) -> str:
    """A span in its largest unit of which there are at least two: `90 s`, `5 h`."""
    seconds = max(0, round(span.total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def humanize(reason: str) -> str:
    """A machine-readable word such as `no_reference` or `ineligible:prompt_cut` with spaces."""
    return reason.replace("_", " ").replace(INELIGIBLE, f"{INELIGIBLE} ")
