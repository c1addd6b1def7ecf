"""`text`: how much of the wording two free texts share, as ROUGE-L F1.

The longest common subsequence of words (Lin: "ROUGE: A Package for Automatic Evaluation of
Summaries", 2004), as F1 of its share in either text: 2·LCS / (words in a + words in b). Unlike
a bag of words it sees order, and unlike n-grams it needs no tuning; with F1 it is symmetric.
A word is a run of letters and digits, without case; of scripts written without spaces
every character is a word.

This compares wording, not meaning: a good paraphrase scores low. Where that matters, add a
judge or people's labels; they outrank every scorer when regret is computed.
"""

import re
from collections import Counter
from itertools import islice
from typing import Any, Final, TypeAlias

from scoring.scorers.scorer import Options, Request, Scorer, text_of
from shadow.records import Reply

Words: TypeAlias = tuple[str, ...]

#: Order is compared within so many words; what follows is compared as a bag of words, so that
#: a text of a megabyte costs milliseconds and not minutes.
_ORDERED: Final = 4_000

# Thai, Lao, Burmese, Khmer; kana; Han with its extensions.
_SPACELESS: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD: Final = re.compile(rf"[{_SPACELESS}]|[^\W_{_SPACELESS}]+")


def read(reply: Reply, _request: Request, _options: Options) -> Words:
    text = text_of(reply).casefold()
    # A text of symbols alone (an emoji, a formula) is compared symbol by symbol.
    return tuple(_WORD.findall(text)) or tuple(text.split())


def agree(a: Words, b: Words, _options: Options) -> float:
    if a == b:
        return 1.0
    rest = Counter(a[_ORDERED:]) & Counter(b[_ORDERED:])
    shared = common_subsequence(a[:_ORDERED], b[:_ORDERED]) + rest.total()
    return 2 * shared / (len(a) + len(b))


def common_subsequence(a: Words, b: Words) -> int:
    """Length of the longest common subsequence, one row of the usual table at a time.

    The row is held in the bits of one integer (Hyyrö: "Bit-parallel LCS-length computation
    revisited", 2004): a 0 bit is a place in `a` where the length grows by one.
    """
    places: dict[str, int] = {}
    for i, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << i
    everything = (1 << len(a)) - 1
    row = everything
    for word in b:
        if matches := row & places.get(word, 0):
            row = ((row + matches) | (row - matches)) & everything
    return len(a) - row.bit_count()


def differences(a: Words, b: Words, _options: Options) -> dict[str, Any]:
    """Words of one side that the other never uses."""
    return {"only_frontier": _missing(a, b), "only_candidate": _missing(b, a)}


def _missing(a: Words, b: Words) -> list[str]:
    used = set(b)
    return [word[:40] for word in islice(dict.fromkeys(word for word in a if word not in used), 20)]


SCORER = Scorer(read=read, agree=agree, differences=differences)
