"""Pairs of replies by hand, in many notations, languages and wrappings, and what each scorer must say of them.

`tests/golden/scorers/` has a file for each scorer. A line names the promise, and two replies that must `agree`
(at 1), must `differ` (or be unscored), or must both be `unscored`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.scorers import SCORERS, Unreadable
from shadow.records import Reply

FOLDER = Path(__file__).parents[2] / "golden" / "scorers"


class Pair(msgspec.Struct, forbid_unknown_fields=True):
    promise: str
    agree: tuple[str, str] | None = None
    differ: tuple[str, str] | None = None
    unscored: tuple[str, str] | None = None
    options: dict[str, Any] = {}


def pairs() -> Iterator[tuple[str, str, list[Pair]]]:
    for file in sorted(FOLDER.glob("*.jsonl")):
        by_promise: dict[str, list[Pair]] = {}
        for line in file.read_text(encoding="utf-8").splitlines():
            pair = msgspec.json.decode(line, type=Pair)
            by_promise.setdefault(pair.promise, []).append(pair)
        for promise, listed in by_promise.items():
            yield file.stem, promise, listed


def agreement(name: str, a: str, b: str, options: dict[str, Any]) -> float | None:
    scorer = SCORERS[name]
    try:
        first, second = (scorer.read(Reply(model="m", content=text), {}, options) for text in (a, b))
    except Unreadable:
        return None
    score = scorer.agree(first, second, options)
    assert score == pytest.approx(scorer.agree(second, first, options))
    assert scorer.agree(first, first, options) == 1
    return score


@pytest.mark.parametrize(("name", "listed"), [pytest.param(n, p, id=f"{n}: {promise}") for n, promise, p in pairs()])
def test_every_known_pair_agrees_where_it_must_and_only_there(name: str, listed: list[Pair]):
    wrong = []
    for pair in listed:
        replies = pair.agree or pair.differ or pair.unscored
        assert replies is not None
        score = agreement(name, *replies, pair.options)
        is_right = score == 1 if pair.agree else score is None if pair.unscored else score != 1
        if not is_right:
            wrong.append((pair, score))
    assert not wrong
