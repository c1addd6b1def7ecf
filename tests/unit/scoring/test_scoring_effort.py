"""The time to score a reply grows in proportion to its length, whatever the model wrote.

A model that fails may repeat one piece of text endlessly, after an opening for which a parser
searches the end. So the texts here are an opening, a few repeated pieces, and an ending, and the
longer text repeats them eight times as often. Linear time grows eightfold, quadratic time
sixty-fourfold; the limit lies between the two.
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
from scoring.scorers import SCORERS, Uncomparable, Unreadable
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
MAX_GROWTH: Final = 24

#: Shorter measurements, in seconds, are noise.
FLOOR: Final = 0.0005

SCHEMA: Final = {"anyOf": [{"$ref": "#/$defs/list"}, {"type": "object", "additionalProperties": {"$ref": "#"}}],
                 "$defs": {"list": {"type": "array", "items": {"$ref": "#"}, "uniqueItems": True}}}  # fmt: skip


def scorer(name: str, **options: Any) -> Callable[[str], None]:
    """All steps of a scorer on two replies that differ."""

    def run(text: str) -> None:
        found = SCORERS[name]
        with suppress(Unreadable, Uncomparable):
            a, b = (found.read(reply, {}, options) for reply in (reply_with(text), reply_with(text + " x 1")))
            found.agree(a, b, options)
            found.differences(a, b, options)

    return run


def reply_with(text: str) -> Reply:
    return Reply(model="m", content=text)


def called(text: str) -> None:
    with suppress(Unreadable):
        SCORERS["tool_calls"].read(Reply(model="m", tool_calls=(ToolCall(name="f", arguments=text),)), {}, {})


def judged(text: str) -> None:
    answer.read(reply_with(text))


STEPS: Final[Mapping[str, Callable[[str], object]]] = {
    **{name: scorer(name) for name in SCORERS if name != "tool_calls"},
    "label, one of a list": scorer("label", labels=("card arrival", "the", "1")),
    "json in any order": scorer("json", ignore_order=True),
    "json under a schema": scorer("json", schema=SCHEMA),
    "arguments of a tool call": called,
    "refusal": lambda text: refusals.is_refusal(text[:1_500]),  # none is longer
    "verdict of a judge": judged,
}


def effort(step: Callable[[str], object], text: str) -> float:
    """Processor time of this thread alone: other processes on the machine do not count."""
    began = thread_time()
    step(text)
    return thread_time() - began


def grows_in_proportion(step: Callable[[str], object], text_of: Callable[[int], str]) -> None:
    short, long = text_of(SHORT), text_of(LONG)
    least_short = least_long = float("inf")
    for _ in range(5):  # the least of several tries is the work itself
        least_short, least_long = min(least_short, effort(step, short)), min(least_long, effort(step, long))
        if least_long <= MAX_GROWTH * max(least_short, FLOOR):
            return
    pytest.fail(f"eight times the text takes {least_long / least_short:.0f} times the work")


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@settings(max_examples=60, deadline=None)
@given(opening=st.tuples(PIECE, PIECE), repeated=st.tuples(PIECE, PIECE).filter(any), ending=PIECE)
@example(opening=("```json", ""), repeated=("\n", ""), ending="x")
@example(opening=("```", ""), repeated=("\n", ""), ending="```")
@example(opening=("a", "```"), repeated=("\n", ""), ending="")
@example(opening=("```json\n", ""), repeated=("\n", "```json"), ending="x")
@example(opening=("a", ""), repeated=("\u0301\u0327", ""), ending="")
@example(opening=("[", ""), repeated=("[1],", ""), ending="[2]]")
@example(opening=("the ", ""), repeated=("\n", " "), ending="1")
def test_scoring_is_work_in_proportion_to_the_text(
    step: Callable[[str], object], opening: tuple[str, str], repeated: tuple[str, str], ending: str
):
    unit = "".join(repeated)
    grows_in_proportion(step, lambda n: "".join(opening) + unit * (n // len(unit)) + ending)


DOCUMENTS: Final[Mapping[str, Callable[[int], str]]] = {
    "a long name over many fields": lambda n: f'{{"{"n" * n}": [{"1," * (n // 4)}1]}}',
    "lists in lists": lambda n: "[" * min(n, 60) + f'"{"a" * n}"' + "]" * min(n, 60),
    "many different objects": lambda n: "[" + ",".join(f'{{"a": {i}}}' for i in range(n // 8)) + "]",
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
@pytest.mark.parametrize("name", ["json", "json in any order", "json under a schema"])
def test_comparing_documents_is_work_in_proportion_to_the_text(name: str, document: Callable[[int], str]):
    grows_in_proportion(STEPS[name], document)


def formula(depth: int) -> str:
    return f'{{"op": "/", "of": {formula(depth - 1)}}}' if depth else "1"


def test_a_recursive_schema_with_alternatives_does_not_multiply_the_work_with_every_level():
    operations = [{"properties": {"op": {"const": op}, "of": {"$ref": "#"}}, "required": ["op"]} for op in "+-*/"]
    schema = {"anyOf": [{"type": "number"}, *({"type": "object", **operation} for operation in operations)]}
    grows_in_proportion(scorer("json", schema=schema), lambda n: formula(6 if n == SHORT else 20))
