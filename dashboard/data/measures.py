"""Tallies to the tables that charts draw: pure arithmetic, nothing read and nothing shown.

Every table keeps its n beside its estimate, and an estimate without data is missing, not 0.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

import pandas as pd

from scoring.evidence.estimates import estimates
from scoring.evidence.report import TaskEvidence
from scoring.evidence.verdict import ENOUGH
from shadow.aggregates.derived_dimensions import WEEKDAYS
from shadow.aggregates.tally import ALL, Cell, Sums, Tally
from shadow.records import Comparison, Reply, Role, Trial, candidate_reply, frontier_reply

Step: TypeAlias = Literal["hour", "day"]
Measure: TypeAlias = Literal["agreement", "regret"]
Tallies: TypeAlias = Mapping[Cell, Tally]
Buckets: TypeAlias = dict[datetime, Tally]

#: How a segment stands: `scoring.evidence.report` decides, these are the words for it.
FLAGGED: Final = "flagged: worse"
NOT_FLAGGED: Final = "not flagged"
THIN: Final = "not enough data"
_STATUSES: Final = {"flagged": FLAGGED, "ok": NOT_FLAGGED, "not_enough_data": THIN}

#: Characters of a text that a list shows.
MOST_LISTED: Final = 200
_LISTED: Final = ["id", "at", "agreement", "unscored", "failure", "frontier", "candidate", "input", "segment"]

SCORED: Final = "scored"
UNSCORED: Final = "unscored"

#: The margins of the week: every hour, or every weekday.
ANY: Final = "any"
HOURS: Final = (*(f"{hour:02}" for hour in range(24)), ANY)


def by_start(tallies: Tallies, value: str) -> Buckets:
    """The tallies of one value of the dimension that was read, by the start of their bucket of time."""
    buckets: Buckets = {}
    for cell, tally in tallies.items():
        if cell.value == value:
            buckets.setdefault(cell.hour, Tally()).merge(tally)
    return buckets


def trend(buckets: Buckets, step: Step) -> pd.DataFrame:
    """Agreement over time: `at, when, estimate, low, high, n`, one row per step with data."""
    rows = sorted((at, tally.agreement) for at, tally in buckets.items() if tally.agreement.n)
    frame = with_intervals([found for _, found in rows])
    return with_times(frame, [at for at, _ in rows], step)


def week(buckets: Buckets) -> pd.DataFrame:
    """Agreement by hour of the week, UTC: `weekday, hour, estimate, low, high, n, enough`.

    With a margin `ANY` for every hour and every weekday, which say something long before the fields do.
    """
    sums: dict[tuple[str, str], Sums] = {}
    for at, tally in buckets.items():
        if tally.agreement.n:
            weekday, hour = WEEKDAYS[at.weekday()], f"{at:%H}"
            for field in ((weekday, hour), (weekday, ANY), (ANY, hour)):
                sums.setdefault(field, Sums()).merge(tally.agreement)
    rows = sorted(sums.items())
    frame = with_intervals([found for _, found in rows])
    frame["weekday"] = [weekday for (weekday, _), _ in rows]
    frame["hour"] = [hour for (_, hour), _ in rows]
    return frame


def failures(buckets: Buckets, role: Role, step: Step) -> pd.DataFrame:
    """Failed replies of one side over time, by kind: `at, when, what, n`."""
    prefix = f"failure:{role}:"
    counts: Counter[tuple[datetime, str]] = Counter()
    for at, tally in buckets.items():
        for name, n in tally.counts.items():
            if name.startswith(prefix):
                counts[at, name.removeprefix(prefix).replace("_", " ")] += n
    return _counted(counts, step)


def volume(buckets: Buckets, step: Step) -> pd.DataFrame:
    """Pairs over time, scored and unscored: `at, when, what, n`."""
    counts: Counter[tuple[datetime, str]] = Counter()
    for at, tally in buckets.items():
        counts[at, SCORED] += tally.agreement.n
        counts[at, UNSCORED] += tally.pairs - tally.agreement.n
    return _counted(Counter({key: n for key, n in counts.items() if n}), step)


def ranking(judged: TaskEvidence, measure: Measure) -> pd.DataFrame:
    """Segments, flagged and worst first, thin ones last.

    `dimension, value, label, n, estimate, low, high, q_value, enough, status, looked_for`
    """
    rows = []
    for each in judged.segments:
        found = each.agreement if measure == "agreement" else each.regret
        # What holds every pair is no part of the traffic.
        if found is None or each.n == judged.n:
            continue
        status = _STATUSES[each.status]
        # By the end of the interval that speaks for the segment: doubt is in its favour.
        badness = found.high if measure == "agreement" else -found.low
        label = f"{each.dimension} = {each.value}"
        order = (status == THIN, status != FLAGGED, badness, label)
        numbers = (found.n, found.estimate, found.low, found.high, each.q_value)
        rows.append((order, each.dimension, each.value, label, *numbers, found.n >= ENOUGH, status, each.looked_for))
    return pd.DataFrame(
        [row for _, *row in sorted(rows, key=lambda row: row[0])],
        columns=[
            "dimension",
            "value",
            "label",
            "n",
            "estimate",
            "low",
            "high",
            "q_value",
            "enough",
            "status",
            "looked_for",
        ],
    )


def crossing(fields: Mapping[tuple[str, str], Tally]) -> pd.DataFrame:
    """Agreement where two dimensions meet: `down, across, estimate, low, high, n, enough, shown, below`."""
    rows = sorted((names, tally) for names, tally in fields.items() if tally.agreement.n)
    frame = with_intervals([tally.agreement for _, tally in rows])
    frame["down"] = [down for (down, _), _ in rows]
    frame["across"] = [across for (_, across), _ in rows]
    frame["shown"] = [
        f"{100 * e:.0f}%" if ok else "not enough" for e, ok in zip(frame["estimate"], frame["enough"], strict=True)
    ]
    frame["below"] = [f"n {n:,}" for n in frame["n"]]
    return frame


def listing(pairs: Iterable[tuple[Trial, Comparison]]) -> pd.DataFrame:
    """Pairs as rows to choose from, their texts cut to one line.

    `id, at, agreement, unscored, failure, frontier, candidate, input, segment`
    """
    rows = []
    for trial, comparison in pairs:
        frontier, candidate = frontier_reply(trial), candidate_reply(trial)
        failures = (("frontier", frontier.failure), ("candidate", candidate.failure))
        rows.append(
            {
                "id": trial.exchange.id,
                "at": trial.exchange.at,
                "agreement": comparison.agreement,
                "unscored": (comparison.unscored or "").replace("_", " "),
                "failure": ", ".join(f"{role}: {kind}".replace("_", " ") for role, kind in failures if kind),
                "frontier": _gist(frontier),
                "candidate": _gist(candidate),
                "input": last_words(trial.exchange.request),
                "segment": ", ".join(f"{name}={value}" for name, value in sorted(trial.exchange.segment.items())),
            }
        )
    return pd.DataFrame(rows, columns=_LISTED)


def with_intervals(sums: Iterable[Sums]) -> pd.DataFrame:
    """One row per Sums, none of them empty: `estimate, low, high, n, enough`; 95%, valid however often one looks."""
    found = [each for each in estimates(list(sums)) if each is not None]
    return pd.DataFrame(
        {
            "estimate": [each.estimate for each in found],
            "low": [each.low for each in found],
            "high": [each.high for each in found],
            "n": [each.n for each in found],
            "enough": [each.n >= ENOUGH for each in found],
        }
    )


def pairs_by_value(tallies: Tallies, dimension: str) -> Counter[str]:
    """How many pairs have each value of a dimension; `hour` and `weekday` are read off the clock."""
    counts: Counter[str] = Counter()
    for cell, tally in tallies.items():
        if (value := value_of(cell, dimension)) is not None:
            counts[value] += tally.pairs
    return counts


def value_of(cell: Cell, dimension: str) -> str | None:
    """The value a cell has in `dimension`, or None when it says nothing about it."""
    if dimension == "hour":
        return f"{cell.hour:%H}:00" if _is_everything(cell) else None
    if dimension == "weekday":
        return WEEKDAYS[cell.hour.weekday()] if _is_everything(cell) else None
    return cell.value if cell.dimension == dimension else None


def _gist(reply: Reply) -> str:
    calls = " ".join(f"{call.name}({call.arguments})" for call in reply.tool_calls)
    return _one_line(reply.content or reply.refusal or calls)


def last_words(request: Mapping[str, Any], *, most: int = MOST_LISTED) -> str:
    """What the user said last, or the start of the whole request; in one line of at most `most` characters."""
    messages = request.get("messages") or request.get("input") or ""
    last = messages[-1] if isinstance(messages, list) and messages else messages
    content = last.get("content") if isinstance(last, Mapping) else last
    return _one_line(content if isinstance(content, str) else str(content or ""), most)


def _one_line(text: str, most: int = MOST_LISTED) -> str:
    return " ".join(text[: 10 * most].split())[:most]


def _is_everything(cell: Cell) -> bool:
    return (cell.dimension, cell.value) == ALL


def _counted(counts: Counter[tuple[datetime, str]], step: Step) -> pd.DataFrame:
    rows = sorted(counts.items())
    frame = pd.DataFrame({"what": [what for (_, what), _ in rows], "n": [n for _, n in rows]})
    return with_times(frame, [at for (at, _), _ in rows], step)


def with_times(frame: pd.DataFrame, starts: list[datetime], step: Step) -> pd.DataFrame:
    """The frame with `at`, when each row starts, and `when`, the same as text in UTC."""
    frame["at"] = pd.to_datetime(pd.Series(starts, dtype="datetime64[us, UTC]"))
    # As text too: a browser would show a time in its own zone.
    pattern = "%a %Y-%m-%d %H:%M UTC" if step == "hour" else "%a %Y-%m-%d"
    frame["when"] = [format(at, pattern) for at in starts]
    return frame
