"""A pair of replies whose agreement is known."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from shadow.records import Reply


class Case(NamedTuple):
    """Two replies, whether they must agree, and which rule of the generator made them."""

    scorer: str
    kind: str
    a: Reply
    b: Reply
    must_agree: bool
    options: Mapping[str, Any] = MappingProxyType({})


def say(text: str) -> Reply:
    return Reply(model="m", content=text)
