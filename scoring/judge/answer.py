"""A judge's answer, read strictly: an answer that leaves room for doubt is unreadable."""

import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from shadow.openai_api import reasoning_blocks
from shadow.records import Reply

Better: TypeAlias = Literal["A", "B", "tie"]

#: Maximum length of a judge's reason, in characters; longer ones are cut.
MAX_REASON_CHARS: Final = 300

# Models without structured output often fence their JSON.
_FENCE: Final = re.compile(r"```(?:json)?[ \t\r]*\n")


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer: which of the replies at the positions A and B is better, and why."""

    better: Better
    reason: Annotated[str, msgspec.Meta(max_length=20_000)] = ""


@dataclass(frozen=True, kw_only=True)
class UnreadableAnswer:
    """A reply that is no answer: `reason` is the reply's failure or `malformed`, `detail` says more."""

    reason: str
    detail: str


_decoder: Final = msgspec.json.Decoder(Answer)


def read(reply: Reply) -> Answer | UnreadableAnswer:
    """The judge's answer in `reply`.

    The whole text must be the one JSON object that was asked for. A verdict that has to be searched for
    may be a quotation from a text that the judge was shown.
    """
    if reply.failure is not None:
        return UnreadableAnswer(reason=reply.failure, detail=reply.failure_detail or reply.refusal or reply.failure)
    _, text = reasoning_blocks.split(reply.content or "")
    try:
        answer = _decoder.decode(_without_fence(text.strip()))
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        return UnreadableAnswer(reason="malformed", detail=f"{error}: {text[:200]!r}")
    return msgspec.structs.replace(answer, reason=_printable(answer.reason))


def _without_fence(text: str) -> str:
    fence = _FENCE.match(text)
    return text[fence.end() : -3] if fence and text.endswith("```") else text


def _printable(reason: str) -> str:
    """The reason as it can be stored and displayed: one line of printable characters, cut to its maximum."""
    line = " ".join(reason.split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)[:MAX_REASON_CHARS]
