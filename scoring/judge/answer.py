"""What a judge said, read strictly: an answer that leaves room for doubt is none."""

import re
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from shadow.records import Reply

Better: TypeAlias = Literal["A", "B", "tie"]

#: Of a judge's reason, so much is kept.
MAX_REASON_CHARS: Final = 300

# Models without structured output like to fence their JSON, or to think aloud before it.
_THOUGHTS: Final = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_FENCE: Final = re.compile(r"```(?:json)?[ \t\r]*\n")


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer: which of the replies in the places A and B is better, and why."""

    better: Better
    reason: Annotated[str, msgspec.Meta(max_length=20_000)] = ""


class UnreadableAnswerError(ValueError):
    """The judge gave no verdict; `reason` says why in one word, the message in more."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


_decoder: Final = msgspec.json.Decoder(Answer)


def read(reply: Reply) -> Answer:
    """The judge's answer. Raises UnreadableAnswerError for a reply that is none, by its failure or `malformed`.

    The whole text must be the one JSON object that was asked for: a verdict that has to be
    searched for may be a quotation from what the judge was shown.
    """
    if reply.failure is not None:
        raise UnreadableAnswerError(reply.failure, reply.failure_detail or reply.refusal or reply.failure)
    text = reply.content or ""
    if thoughts := _THOUGHTS.match(text):
        text = text[thoughts.end() :]
    try:
        answer = _decoder.decode(_unfenced(text.strip()))
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as fault:
        raise UnreadableAnswerError("malformed", f"{fault}: {text[:200]!r}") from None
    return msgspec.structs.replace(answer, reason=_kept(answer.reason))


def _unfenced(text: str) -> str:
    fence = _FENCE.match(text)
    return text[fence.end() : -3] if fence and text.endswith("```") else text


def _kept(reason: str) -> str:
    """The reason as it can be stored and shown: one line of printable characters, and short."""
    line = " ".join(reason.split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)[:MAX_REASON_CHARS]
