"""A scorer reads the answer in a reply, and compares two answers.

With these two functions, agreement and correctness are computed the same way: the replies are read
and compared with each other, and each with the reference, which is read as if it were a reply.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from shadow.errors import ShadowError
from shadow.records import Reply

Request: TypeAlias = Mapping[str, Any]
Options: TypeAlias = Mapping[str, Any]


class Unreadable(ShadowError, ValueError):  # noqa: N818 - describes the reply
    """The reply holds no answer that the scorer can compare; the message says what is missing."""


class Uncomparable(ShadowError, ValueError):  # noqa: N818 - describes the pair
    """Both replies hold an answer, and the scorer cannot tell whether they are the same.

    `reason` is one word, by which the pair is unscored; it is no failure of either reply. `detail` is shown with the
    pair: JSON values.
    """

    def __init__(self, reason: str, **detail: Any) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail: dict[str, Any] = detail


def as_short_text(a: Any, b: Any, _options: Options) -> dict[str, Any]:
    """Default `differences`: the two answers as text, truncated."""
    return {"frontier": str(a)[:200], "candidate": str(b)[:200]}


def _no_problems(_options: Options) -> list[str]:
    return []


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """One definition of "the same answer".

    `read(reply, request, options)` returns the answer, or raises Unreadable; it raises nothing else,
    whatever the model wrote.
    `agree(a, b, options)` returns a number in [0, 1]; symmetric, and 1 for an answer with itself. It raises
    Uncomparable where it cannot tell, and nothing else.
    `reference(text, options)` reads a reference that is not written like a reply.
    `differences(a, b, options)` describes a disagreement for people, as a small JSON object.
    `options` maps the name of each option to its type. `problems(options)` names what keeps the scorer from running
    here, such as a package that is not installed: one line each with its fix.
    """

    read: Callable[[Reply, Request, Options], Any]
    agree: Callable[[Any, Any, Options], float]
    reference: Callable[[str, Options], Any] | None = None
    differences: Callable[[Any, Any, Options], dict[str, Any]] = as_short_text
    options: Mapping[str, type] = field(default_factory=dict)
    problems: Callable[[Options], list[str]] = _no_problems

    def read_reference(self, text: str, options: Options) -> Any:
        """The answer in the reference `text`. Raises Unreadable where it has none."""
        if self.reference is not None:
            return self.reference(text, options)
        return self.read(Reply(model="reference", content=text), {}, options)


# Normalisation sorts combining marks by insertion, so a word of combining marks alone would take quadratic time.
_PIECE: Final = re.compile(r"\S{1,256}|\s+")


def unicode_form(text: str, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """`text` in one Unicode form, in which composed and decomposed characters are equal."""
    if text.isascii():
        return text
    return "".join(unicodedata.normalize(form, piece) for piece in _PIECE.findall(text))


def caseless(text: str) -> str:
    """`text` without case. ß stays, because Maße and Masse are two words."""
    if text.isascii() or ("ß" not in text and "ẞ" not in text):
        return text.casefold()
    return "ß".join(part.casefold() for part in text.replace("ẞ", "ß").split("ß"))


def text_of(reply: Reply) -> str:
    """The text of the reply. Raises Unreadable where it is empty."""
    if not reply.content or reply.content.isspace():
        raise Unreadable("no text in the reply")
    return reply.content
