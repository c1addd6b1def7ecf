"""`text`: how much of the wording two free texts share, as ROUGE-L F1.

The length of the longest common subsequence of words (Lin, "ROUGE: A Package for Automatic
Evaluation of Summaries", 2004, section 3), as the F1 of its share in either text:
2·LCS / (words in a + words in b). Unlike a bag of words it depends on the order, unlike n-grams
it needs no tuning, and F1 is symmetric. A word is a run of letters (with their combining marks) and digits,
compared without case and in any Unicode form; in scripts written without spaces every character is a word.
A number is one word with its sign and decimals. Symbols that change the meaning are words of their own: operators,
currencies, emoji, `#`, `%`, `&`. Punctuation and the marks of Markdown are left out.

This compares wording, not meaning: a good paraphrase scores low. Where that matters, add a
judge or people's labels; they outrank every scorer when regret is computed.
"""

import re
from collections import Counter
from functools import cache
from itertools import islice
from typing import Any, Final, TypeAlias

from scoring.scorers.scorer import Options, Request, Scorer, caseless, text_of, unicode_form
from shadow.records import Reply

Words: TypeAlias = tuple[str, ...]

#: The order of this many words is compared; the words after them are compared as a bag, so that
#: a text of a megabyte takes milliseconds and not minutes.
_MAX_ORDERED: Final = 4_000

# Thai, Lao, Burmese, Khmer; kana; Han with its extensions.
_SPACELESS: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
#: In ASCII, so almost always, the standard library's expressions suffice and are faster.
#: Every alternative begins with what it matches, which is much faster than a lookbehind.
_ASCII_WORD: Final = re.compile(
    r"[a-z][a-z0-9]*|[0-9]+(?:[.,][0-9]+)+|[0-9][a-z0-9]*|[$+<=>^#%&@]"
    r"|-(?<![\w)]-)(?:[0-9]+(?:[.,][0-9]+)*|\.[0-9]+|(?=\$))|\.(?<![\w).]\.)[0-9]+"
    # Negations, a path or alternative, a product.
    r"|!(?:=|(?<![\w!?]!)(?=\w))|~(?<!~~)(?=\w)|[/\\](?<=\w[/\\])(?=\w)"
    r"|\*(?:(?<=[\w)] \*)(?= [\w(])|(?<=[0-9]\*)\*?(?=[0-9]))"
)
#: Bullets, quotes, rules and tables of Markdown, at the beginning of a line.
_LAYOUT: Final = re.compile(r"^[ \t]*(?:[+>*-](?=[ \t])|#{1,6}(?=[ \t])|[=+|:-]{3,}[ \t]*$)", re.MULTILINE)
_GROUPED: Final = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")


@cache
def _word() -> Any:
    """A word in any script: letters, digits and combining marks, or one symbol."""
    import regex  # noqa: PLC0415 - knows the categories of Unicode; loaded only where a text is not ASCII

    return regex.compile(
        rf"[{_SPACELESS}]\p{{M}}*"
        r"|(?<![\p{L}\p{N}\p{M})])\p{Nd}+(?:[.,٫]\p{Nd}+)+"
        rf"|[[\p{{L}}\p{{N}}\p{{M}}]--[{_SPACELESS}]]+"
        rf"|[\p{{So}}\p{{Sc}}\p{{Sm}}^#%&@§¶--[~]][\p{{M}}\U000e0020-\U000e007f]*|\p{{Sk}}(?<![`´^¨~])"
        r"|-(?<![\p{L}\p{N}\p{M})]-)(?:\p{Nd}+(?:[.,٫]\p{Nd}+)*"
        r"|\.\p{Nd}+|(?=\p{Sc}))|\.(?<![\p{L}\p{N}\p{M}).]\.)\p{Nd}+"
        r"|!(?:=|(?<![\w!?]!)(?=\w))|~(?<!~~)(?=\w)|[/\\](?<=\w[/\\])(?=\w)"
        r"|\*(?:(?<=[\w)] \*)(?= [\w(])|(?<=[0-9]\*)\*?(?=[0-9]))",
        flags=regex.VERSION1,
    )


#: What is not seen: zero-width characters, soft hyphens, variation selectors, the Arabic elongation.
_UNSEEN: Final = re.compile("[\u00ad\u0640\u200b\u2060\ufe0e\ufe0f\ufeff]")
_WIDE: Final = re.compile("[\uff01-\uffef]+")
_DASH_AS_MINUS: Final = re.compile(r"(?<![\w)])[–−](?=[\d.$€£])")


def _one_form(text: str) -> str:
    """The text in one Unicode form: composed, full-width and half-width forms as ordinary ones."""
    text = _WIDE.sub(lambda found: unicode_form(found[0], "NFKC"), _UNSEEN.sub("", text))
    return _DASH_AS_MINUS.sub("-", unicode_form(text)).replace("−", "-")


def read(reply: Reply, _request: Request, _options: Options) -> Words:
    text = _LAYOUT.sub("", caseless(text_of(reply)))
    words = _ASCII_WORD.findall(text) if text.isascii() else _word().findall(_one_form(text))
    # A text without words is split at white space instead.
    return tuple(_ungrouped(word) if "," in word else word for word in words) or tuple(text.split()) or ("",)


def _ungrouped(word: str) -> str:
    return word.replace(",", "") if _GROUPED.fullmatch(word) else word


def agree(a: Words, b: Words, _options: Options) -> float:
    if a == b:
        return 1.0
    from rapidfuzz.distance import LCSseq  # noqa: PLC0415 - loaded only where two texts are compared

    rest = Counter(a[_MAX_ORDERED:]) & Counter(b[_MAX_ORDERED:])
    shared = LCSseq.similarity(a[:_MAX_ORDERED], b[:_MAX_ORDERED]) + rest.total()
    return 2 * shared / (len(a) + len(b))


def differences(a: Words, b: Words, _options: Options) -> dict[str, Any]:
    """The words of either side that the other does not use; at most 20 of each."""
    return {"only_frontier": _only_in_first(a, b), "only_candidate": _only_in_first(b, a)}


def _only_in_first(a: Words, b: Words) -> list[str]:
    used = set(b)
    return [word[:40] for word in islice(dict.fromkeys(word for word in a if word not in used), 20)]


SCORER = Scorer(read=read, agree=agree, differences=differences)
