"""Recorded pairs with labels, judge votes and unequal chances: figures that can be worked out by hand.

10,000 requests were mirrored with three chances, the more readily the more trouble they give:

    chance   requests   recorded   worse by people   that is
    0.05     8,000      400        4                 80
    0.2      1,500      300        12                60
    1        500        500        140               140
             10,000     1,200      156               280, or 2.8%

The plain mean of what was recorded is 13%. The judge misses 40 of the 140 (its other misses are
none), and calls 8 pairs of the first kind worse that people do not: 400 of 10,000, or 4%. The
replies differ where people see the candidate worse, and on 20 further pairs of the first kind:
680 requests of 10,000.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scoring.stats.weighted import weighted_interval
from shadow.settings import POSTGRES_VARIABLE
from tests.acceptance.commands import Result, tasks_of, write

#: chance, recorded, worse by people, of those missed by the judge, called worse by the judge alone, otherwise different
STRATA = ((0.05, 400, 4, 0, 8, 20), (0.2, 300, 12, 0, 0, 0), (1.0, 500, 140, 40, 0, 0))


def recorded() -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for chance, pairs, worse, missed, wronged, differing in STRATA:
        for number in range(pairs):
            is_worse = number < worse
            judged_worse = (is_worse and number >= missed) or worse <= number < worse + wronged
            lines.append(
                {
                    "id": len(lines),
                    "task": "intent",
                    "at": f"2026-09-01T{len(lines) % 24:02}:00:00Z",
                    "request": {"messages": [{"role": "user", "content": "Where is it?"}]},
                    "frontier": {"model": "big", "content": "delivery"},
                    "candidate": {"model": "small", "content": "refund" if number < worse + differing else "delivery"},
                    "inclusion_probability": chance,
                    "label": "frontier" if is_worse else "tie",
                    "judge": "frontier" if judged_worse else "tie",
                }
            )
    return lines


@pytest.mark.parametrize("told_by", ["replay", "report"])
def test_every_figure_speaks_for_all_requests(
    shadow: Callable[..., Result],
    tmp_path: Path,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    told_by: str,
):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    lines = recorded()
    done = shadow("replay", write(tmp_path / "pairs.jsonl", lines), "--scorer", "label", "--json", "evidence.json")
    if told_by == "report":
        done = shadow("report", "--json", "evidence.json")
    (task,) = tasks_of(tmp_path / "evidence.json")

    assert (task["regret"]["source"], task["regret"]["n"], task["regret"]["estimate"]) == ("human", 1200, 0.028)
    by_rows = weighted_interval(
        [float(line["label"] == "frontier") for line in lines], [line["inclusion_probability"] for line in lines]
    )
    assert task["regret"]["low"] <= by_rows.low < 0.028 < by_rows.high <= task["regret"]["high"]
    assert task["regret"]["high"] - task["regret"]["low"] < 1.25 * (by_rows.high - by_rows.low)
    assert "interval" not in task["regret"]
    assert task["net_regret"]["estimate"] == 0.028
    assert task["agreement"]["estimate"] == 0.932

    assert task["regret_by_source"].keys() == {"human", "judge"}
    assert task["regret_by_source"]["judge"]["estimate"] == 0.04
    judge = task["judge"]
    assert (judge["judged"], judge["n"]) == (1200, 1200)
    assert judge["sensitivity"]["estimate"] == pytest.approx(240 / 280, abs=1e-6)
    assert judge["specificity"]["estimate"] == pytest.approx(9560 / 9720, abs=1e-6)
    assert judge["observed"] == pytest.approx((240 + 9560) / 10_000, abs=1e-6)
    both_worse, by_chance = 0.024, 0.028 * 0.04 + 0.972 * 0.96
    assert judge["kappa"] == pytest.approx((both_worse + 0.956 - by_chance) / (1 - by_chance), abs=1e-6)

    assert "regret by human 2.8%" in done.out
    assert "regret by judge 4.0%" in done.out
    assert "judge against people: κ 0.70" in done.out


def test_a_report_names_the_worst_crossing(
    shadow: Callable[..., Result], tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(POSTGRES_VARIABLE, postgres_url)
    lines = recorded()
    for number, line in enumerate(lines):
        line |= {"segment": {"locale": ("de", "en")[number % 2], "plan": ("pro", "free", "team")[number % 3]}}
        bad = line["segment"] == {"locale": "de", "plan": "pro"} and number % 5
        line |= {"inclusion_probability": 0.5, "label": "frontier" if bad else "tie", "unit": f"u{number // 3}"}
    shadow("replay", write(tmp_path / "pairs.jsonl", lines), "--scorer", "label")
    done = shadow("report", "--json", "evidence.json")
    (task,) = json.loads((tmp_path / "evidence.json").read_text())["tasks"]
    (worst, *_) = task["worst_crossings"]["crossings"]
    assert worst["where"] == {"locale": "de", "plan": "pro"}
    assert worst["rate"] == pytest.approx(0.8, abs=0.1)
    assert (task["worst_crossings"]["measure"], task["worst_crossings"]["source"]) == ("regret", "human")
    assert "locale=de & plan=pro" in done.out
    assert (task["units"]["n"], task["units"]["calls"], task["units"]["regret"]["source"]) == (400, 1200, "human")
    assert "by unit: agreement" in done.out
    flagged = {(s["dimension"], s["value"]) for s in task["segments"] if s["flagged"]}
    assert {("locale", "de"), ("plan", "pro")} <= flagged
    assert ("locale", "en") not in flagged
