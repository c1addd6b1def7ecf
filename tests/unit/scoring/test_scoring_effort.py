"""Whatever a model writes, scoring it is work in proportion to the length of what it wrote.

Models that run off the rails write one thing over and over, behind an opening that sends a
reader looking for its end. So the texts here are an opening, a few pieces repeated, and an
ending, and the longer text repeats them eight times as often. Work in proportion to the length
grows eightfold, work by its square sixty-fourfold; the line is drawn between the two.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from time import thread_time
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scoring import refusals
from scoring.judge import answer
from scoring.scorers import SCORERS, Unreadable
from shadow.records import Reply, ToolCall

PIECES: Final = (
    "", "a", "1", " ", "\n", "\r\n", "\t", "\u00a0", ".", ",", ":", "-", "_", "*", "'", '"', "\\", "é", "订",
    "\u0301\u0327", "\ud800", "\0", "{", "}", "[", "]", '{"a":', "[1],", '"b",', "```", "```\n", "```json", "```json\n",
    "<<", ">>", "<<1", "$", "1,111", "1'111", "1.", "1/", "1 ", "e5", "-3", "\\boxed{", "\\frac{1}{", "####", "#### 7",
    "the ", "final ", "Intent: ", "Intent: x\n", "label is ", "card arrival ", "I'm sorry, ", "dabei kann ich ",
    "as an AI", "<think>", "</think>", '{"better":"A"}',
)  # fmt: skip
PIECE: Final = st.sampled_from(PIECES)
SHORT: Final = 2_000
LONG: Final = 8 * SHORT
MOST: Final = 24

#: Below so many seconds a measurement says nothing.
FLOOR: Final = 0.0005

SCHEMA: Final = {"anyOf": [{"$ref": "#/$defs/list"}, {"type": "object", "additionalProperties": {"$ref": "#"}}],
                 "$defs": {"list": {"type": "array", "items": {"$ref": "#"}, "uniqueItems": True}}}  # fmt: skip


def scorer(name: str, **options: Any) -> Callable[[str], None]:
    """All that a scorer does with two replies that differ."""

    def look(text: str) -> None:
        found = SCORERS[name]
        with suppress(Unreadable):
            a, b = (found.read(reply, {}, options) for reply in (said(text), said(text + " x 1")))
            found.agree(a, b, options)
            found.differences(a, b, options)

    return look


def said(text: str) -> Reply:
    return Reply(model="m", content=text)


def called(text: str) -> None:
    with suppress(Unreadable):
        SCORERS["tool_calls"].read(Reply(model="m", tool_calls=(ToolCall(name="f", arguments=text),)), {}, {})


def judged(text: str) -> None:
    with suppress(answer.UnreadableAnswerError):
        answer.read(said(text))


LOOKS: Final[Mapping[str, Callable[[str], object]]] = {
    **{name: scorer(name) for name in SCORERS if name != "tool_calls"},
    "label, one of a list": scorer("label", labels=("card arrival", "the", "1")),
    "json in any order": scorer("json", ignore_order=True),
    "json under a schema": scorer("json", schema=SCHEMA),
    "arguments of a tool call": called,
    "refusal": lambda text: refusals.is_refusal(text[:1_500]),  # none is longer
    "verdict of a judge": judged,
}


def effort(look: Callable[[str], object], text: str) -> float:
    """Processor time of this thread alone: what else runs on the machine does not count."""
    began = thread_time()
    look(text)
    return thread_time() - began


def grows_in_proportion(look: Callable[[str], object], text_of: Callable[[int], str]) -> None:
    short, long = text_of(SHORT), text_of(LONG)
    least_short = least_long = float("inf")
    for _ in range(5):  # the least of several tries is the work itself
        least_short, least_long = min(least_short, effort(look, short)), min(least_long, effort(look, long))
        if least_long <= MOST * max(least_short, FLOOR):
            return
    pytest.fail(f"eight times the text takes {least_long / least_short:.0f} times the work")


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@settings(max_examples=60, deadline=None)
@given(opening=st.tuples(PIECE, PIECE), repeated=st.tuples(PIECE, PIECE).filter(any), ending=PIECE)
@example(opening=("```json", ""), repeated=("\n", ""), ending="x")
@example(opening=("```", ""), repeated=("\n", ""), ending="```")
@example(opening=("```json\n", ""), repeated=("\n", "```json"), ending="x")
@example(opening=("a", ""), repeated=("\u0301\u0327", ""), ending="")
@example(opening=("[", ""), repeated=("[1],", ""), ending="[2]]")
@example(opening=("the ", ""), repeated=("\n", " "), ending="1")
def test_scoring_is_work_in_proportion_to_the_text(
    look: Callable[[str], object], opening: tuple[str, str], repeated: tuple[str, str], ending: str
):
    unit = "".join(repeated)
    grows_in_proportion(look, lambda n: "".join(opening) + unit * (n // len(unit)) + ending)


DOCUMENTS: Final[Mapping[str, Callable[[int], str]]] = {
    "a long name over many fields": lambda n: f'{{"{"n" * n}": [{"1," * (n // 4)}1]}}',
    "lists in lists": lambda n: "[" * min(n, 60) + f'"{"a" * n}"' + "]" * min(n, 60),
    "many different objects": lambda n: "[" + ",".join(f'{{"a": {i}}}' for i in range(n // 8)) + "]",
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
@pytest.mark.parametrize("name", ["json", "json in any order", "json under a schema"])
def test_comparing_documents_is_work_in_proportion_to_the_text(name: str, document: Callable[[int], str]):
    grows_in_proportion(LOOKS[name], document)


def formula(depth: int) -> str:
    return f'{{"op": "/", "of": {formula(depth - 1)}}}' if depth else "1"


def test_a_recursive_schema_with_alternatives_does_not_multiply_the_work_with_every_level():
    operations = [{"properties": {"op": {"const": op}, "of": {"$ref": "#"}}, "required": ["op"]} for op in "+-*/"]
    schema = {"anyOf": [{"type": "number"}, *({"type": "object", **operation} for operation in operations)]}
    grows_in_proportion(scorer("json", schema=schema), lambda n: formula(6 if n == SHORT else 20))
