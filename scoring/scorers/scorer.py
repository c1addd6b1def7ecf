"""What a scorer is: a way to read an answer out of a reply, and a way to compare two answers.

Splitting it so makes agreement and correctness the same thing: the replies are read and
compared with each other, and each with the reference, which is read as if it were a reply.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from shadow.records import Reply

Request: TypeAlias = Mapping[str, Any]
Options: TypeAlias = Mapping[str, Any]


class Unreadable(ValueError):  # noqa: N818 - it names what the reply is, like LookupError
    """The reply holds no answer of the kind the scorer compares; the message says what is missing."""


def plainly(a: Any, b: Any, _options: Options) -> dict[str, Any]:
    """The two answers as short text: what differs, where the answers are small."""
    return {"frontier": str(a)[:200], "candidate": str(b)[:200]}


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """One idea of what "the same answer" means.

    `read(reply, request, options)` returns the answer, or raises Unreadable. It is total on
    model text: whatever the model wrote, one of the two happens.
    `agree(a, b, options)` is in [0, 1], symmetric, and 1 for an answer with itself.
    `reference(text, options)` reads the right answer where it is not written like a reply.
    `differences(a, b, options)` describes a disagreement for people, as a small JSON object.
    `options` names the settings it understands, with the type of each.
    """

    read: Callable[[Reply, Request, Options], Any]
    agree: Callable[[Any, Any, Options], float]
    reference: Callable[[str, Options], Any] | None = None
    differences: Callable[[Any, Any, Options], dict[str, Any]] = plainly
    options: Mapping[str, type] = field(default_factory=dict)

    def read_reference(self, text: str, options: Options) -> Any:
        """The right answer. Raises Unreadable where the reference holds none."""
        if self.reference is not None:
            return self.reference(text, options)
        return self.read(Reply(model="reference", content=text), {}, options)


# Normalisation sorts combining marks by insertion, so a "word" of nothing else would cost the square of its length.
_PIECE: Final = re.compile(r"\S{1,256}|\s+")


def unicode_form(text: str, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """`text` in one Unicode form, in which composed and decomposed characters are equal."""
    if text.isascii():
        return text
    return "".join(unicodedata.normalize(form, piece) for piece in _PIECE.findall(text))


def text_of(reply: Reply) -> str:
    """The reply's text. Raises Unreadable where it has none."""
    if not reply.content or reply.content.isspace():
        raise Unreadable("no text in the reply")
    return reply.content
