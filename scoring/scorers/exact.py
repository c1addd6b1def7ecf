"""`exact`: the same text, character for character.

White space at either end does not count. Option `ignore_case = true` compares without case.
"""

from typing import Any

from scoring.scorers.scorer import Options, Request, Scorer, caseless, text_of
from shadow.records import Reply


def read(reply: Reply, _request: Request, options: Options) -> str:
    text = text_of(reply).strip()
    return caseless(text) if options.get("ignore_case") else text


def agree(a: str, b: str, _options: Options) -> float:
    return float(a == b)


def differences(a: str, b: str, _options: Options) -> dict[str, Any]:
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return {"first_difference_at": at, "frontier": a[at : at + 80], "candidate": b[at : at + 80]}


SCORER = Scorer(read=read, agree=agree, differences=differences, options={"ignore_case": bool})
