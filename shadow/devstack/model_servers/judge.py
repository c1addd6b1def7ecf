"""A simulated judge: reads the two replies in a judge's prompt, and knows the world's right answers.

    app = judge_app(world)                             # errs with stated probabilities, with a position bias
    app = judge_app(world, gullible_in="A")            # obeys instructions in the reply in that place

For the same pair it errs in the same way each time. Its error rates are stated, so that estimates
of them can be compared with the truth.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from shadow.devstack.model_servers.models import SimulatedServer
from shadow.devstack.simulation import workloads
from shadow.devstack.simulation.seeded_random import draws
from shadow.devstack.simulation.world import World, last_user_message
from shadow.records import Reply, Usage

JUDGE_NAME: Final = "simulated-judge"
LATENCY_MS: Final = 350.0

Place: TypeAlias = Literal["A", "B"]

# The word in the marker lines, which separate quoted text from instructions. The question names it once.
_WORD: Final = re.compile(r"^The word of this question's marker lines is (\w+)\.$", re.MULTILINE)
_TURNS: Final = re.compile(r"system: (?P<system>.*?)\n\nuser: (?P<user>.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Traits:
    """The error rates of a simulated judge.

    Of pairs with one right reply it finds the share `sensitivity`; of equally good pairs it calls
    one reply worse in the share `1 - specificity`. In the share `position_bias` of its answers it
    prefers the first place regardless. Asked in both orders, that turns a difference into a tie, so
    that the effective sensitivity is `sensitivity · (1 - position_bias)`.
    """

    sensitivity: float = 0.90
    specificity: float = 0.97
    position_bias: float = 0.05


FAULTLESS: Final = Traits(sensitivity=1.0, specificity=1.0, position_bias=0.0)


class QuotedPair(NamedTuple):
    """The texts that a judge's prompt quotes."""

    request: str
    replies: dict[Place, str]


def read_question(body: Mapping[str, Any]) -> QuotedPair | None:
    """The quoted parts of a judge's prompt; None for another kind of request."""
    text = last_user_message(body)
    word = _WORD.search(text)
    if word is None:
        return None
    found = {}
    for part in ("request", "reply A", "reply B"):
        opening, closing = (f"[{word[1]} {part} {edge}]" for edge in ("begins", "ends"))
        _, begins, rest = text.partition(f"{opening}\n")
        quoted, ends, _ = rest.partition(f"\n{closing}")
        if not (begins and ends):
            return None
        found[part] = quoted
    return QuotedPair(found["request"], {"A": found["reply A"], "B": found["reply B"]})


def judge_app(
    world: World,
    *,
    traits: Traits = Traits(),
    gullible_in: Place | None = None,
    structured: bool = True,
    time_scale: float = 0.0,
    keep: int = 0,
) -> SimulatedServer:
    """A server for the world's judge. It refuses a response format (400) unless `structured`.

    `gullible_in` makes it prefer the reply in that place if that contains more than an answer.
    """

    def answer(body: Mapping[str, Any], _number: int) -> Reply:
        if not structured and "response_format" in body:
            return Reply(model=JUDGE_NAME, failure="rejected", failure_detail="response_format is not supported")
        asked = read_question(body)
        if asked is None:
            return _reply("I compare two replies; there are none here.", body)
        reading = _reading(asked.request)
        if gullible_in is not None and reading and workloads.has_extra_text(reading, asked.replies[gullible_in]):
            return _verdict(gullible_in, "simulated: the reply says so", body)
        better, why = _better(world.seed, reading, asked, traits)
        return _verdict(better, f"simulated: {why}", body)

    return SimulatedServer(JUDGE_NAME, answer, time_scale=time_scale, keep=keep, shapes=False)


def _reading(request: str) -> workloads.Reading | None:
    turns = _TURNS.match(request)
    return workloads.read(turns["system"], turns["user"]) if turns else None


def _better(
    seed: int, reading: workloads.Reading | None, asked: QuotedPair, traits: Traits
) -> tuple[Place | Literal["tie"], str]:
    one, other = asked.replies["A"], asked.replies["B"]
    if reading is None or one == other:
        return "tie", "the replies do not differ"
    # The order of the replies affects only the position bias.
    first, second = sorted((one, other))
    steady = draws(seed, "judge", asked.request, first, second)
    if draws(seed, "place", asked.request, one, other)[0] < traits.position_bias:
        return "A", "it came first"
    right = {place: workloads.is_right(reading, reply) for place, reply in asked.replies.items()}
    if right["A"] != right["B"]:
        better: Place = "A" if right["A"] else "B"
        return (better, "the other one is wrong") if steady[0] < traits.sensitivity else ("tie", "both seem fine")
    if steady[1] < 2 * (1 - traits.specificity):
        return ("A" if (one == first) == (steady[2] < 0.5) else "B"), "it seems better"
    return "tie", "both are right" if right["A"] else "both are wrong"


def _verdict(better: str, reason: str, body: Mapping[str, Any]) -> Reply:
    return _reply(json.dumps({"reason": reason, "better": better}), body)


def _reply(content: str, body: Mapping[str, Any]) -> Reply:
    characters = sum(len(str(message.get("content"))) for message in body.get("messages", ()))
    usage = Usage(prompt_tokens=characters // 4 + 8, completion_tokens=len(content) // 4 + 1)
    return Reply(model=JUDGE_NAME, content=content, finish_reason="stop", usage=usage, latency_ms=LATENCY_MS)
