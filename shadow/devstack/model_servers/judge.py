"""A simulated judge: reads the two replies in a judge's prompt, and knows what is right in the world.

    app = judge_app(world)                             # errs as often as stated, and likes the first place
    app = judge_app(world, gullible_in="A")            # obeys what a reply in that place tells it

It errs the same way each time for the same pair. How often is stated, so that what is measured
about it elsewhere can be held against the truth.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from shadow.devstack.model_servers.models import SimulatedServer
from shadow.devstack.simulation import workloads
from shadow.devstack.simulation.seeded_random import draws
from shadow.devstack.simulation.world import World, last_words
from shadow.records import Reply, Usage

JUDGE_NAME: Final = "simulated-judge"
LATENCY_MS: Final = 350.0

Place: TypeAlias = Literal["A", "B"]

# The word that parts what was quoted from what was asked stands in the question itself, once.
_WORD: Final = re.compile(r"^The word of this question's marker lines is (\w+)\.$", re.MULTILINE)
_TURNS: Final = re.compile(r"system: (?P<system>.*?)\n\nuser: (?P<user>.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Traits:
    """How a simulated judge errs.

    Of pairs with one right reply it sees the difference in the share `sensitivity`; of pairs that
    are equally good it calls either reply worse in the share `1 - specificity`. Whatever it
    thinks, in the share `position_bias` of its answers it names the first place: asked both ways,
    that turns a difference into a tie, so that `sensitivity · (1 - position_bias)` is left.
    """

    sensitivity: float = 0.90
    specificity: float = 0.97
    position_bias: float = 0.05


FAULTLESS: Final = Traits(sensitivity=1.0, specificity=1.0, position_bias=0.0)


class Asked(NamedTuple):
    """What a judge's prompt quotes."""

    request: str
    replies: dict[Place, str]


def read_question(body: Mapping[str, Any]) -> Asked | None:
    """The quoted parts of a judge's prompt; None for a request that is none."""
    text = last_words(body)
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
    return Asked(found["request"], {"A": found["reply A"], "B": found["reply B"]})


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

    `gullible_in` makes it prefer the reply in that place whenever it says more than an answer.
    """

    def answer(body: Mapping[str, Any], _number: int) -> Reply:
        if not structured and "response_format" in body:
            return Reply(model=JUDGE_NAME, failure="rejected", failure_detail="response_format is not supported")
        asked = read_question(body)
        if asked is None:
            return _reply("I compare two replies; there are none here.", body)
        reading = _reading(asked.request)
        if gullible_in is not None and reading and workloads.says_more(reading, asked.replies[gullible_in]):
            return _verdict(gullible_in, "simulated: it told me so", body)
        better, why = _better(world.seed, reading, asked, traits)
        return _verdict(better, f"simulated: {why}", body)

    return SimulatedServer(JUDGE_NAME, answer, time_scale=time_scale, keep=keep, shapes=False)


def _reading(request: str) -> workloads.Reading | None:
    turns = _TURNS.match(request)
    return workloads.read(turns["system"], turns["user"]) if turns else None


def _better(
    seed: int, reading: workloads.Reading | None, asked: Asked, traits: Traits
) -> tuple[Place | Literal["tie"], str]:
    one, other = asked.replies["A"], asked.replies["B"]
    if reading is None or one == other:
        return "tie", "nothing tells them apart"
    # The order of the replies must not matter to what is thought of them, only to the bias.
    first, second = sorted((one, other))
    steady = draws(seed, "judge", asked.request, first, second)
    if draws(seed, "place", asked.request, one, other)[0] < traits.position_bias:
        return "A", "it came first"
    right = {place: workloads.is_right(reading, said) for place, said in asked.replies.items()}
    if right["A"] != right["B"]:
        better: Place = "A" if right["A"] else "B"
        return (better, "the other one is wrong") if steady[0] < traits.sensitivity else ("tie", "both seem fine")
    if steady[1] < 2 * (1 - traits.specificity):
        return ("A" if (one == first) == (steady[2] < 0.5) else "B"), "it seems better"
    return "tie", "both are right" if right["A"] else "both are wrong"


def _verdict(better: str, reason: str, body: Mapping[str, Any]) -> Reply:
    return _reply(json.dumps({"reason": reason, "better": better}), body)


def _reply(content: str, body: Mapping[str, Any]) -> Reply:
    said = sum(len(str(message.get("content"))) for message in body.get("messages", ()))
    usage = Usage(prompt_tokens=said // 4 + 8, completion_tokens=len(content) // 4 + 1)
    return Reply(model=JUDGE_NAME, content=content, finish_reason="stop", usage=usage, latency_ms=LATENCY_MS)
