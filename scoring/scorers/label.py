"""`label`: the answer is one class out of a few.

Two labels are the same when they differ only in case, surrounding punctuation or quotes, or
in what joins their words: `Card arrival`, "card_arrival." and `card-arrival` are one label;
`c`, `c++` and `c#`, or `1` and `-1`, are not.

Where the label stands, first found:
1. JSON, alone or fenced: a string, or the field `key` names, or one of the usual fields.
2. The last line of the form `Intent: refund` (or class, label, category, answer …).
3. The first line, up to the end of its first sentence.

Option `labels` lists the classes there are. With it the answer must be one of them: if the
place above does not hold one, the whole text must name exactly one (as whole words; a label
inside a longer named label does not count). Without it, an answer of more than 12 words is
prose and not a label. An explanation in brackets is not cut off, because labels have
brackets too: list the `labels` if your model adds explanations. Option `key` names the field.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from scoring.scorers.json_text import parse
from scoring.scorers.scorer import Options, Request, Scorer, Unreadable, text_of
from shadow.records import Reply

#: No label is longer; what is longer is prose.
_MOST_WORDS: Final = 12
#: Characters of a reply that is worth remembering.
_SHORT: Final = 100

_KEYS: Final = ("label", "intent", "class", "category", "classification", "sentiment", "topic", "prediction", "answer")
_NAMED: Final = re.compile(
    rf"^[^\w\n]{{0,20}}(?:(?:the|final|predicted|my)\s+){{0,3}}(?:{'|'.join(_KEYS)}|output|result)"
    r"[*_`\"' ]{0,4}(?::|=|->|→|\bis\b)(?P<label>[^\n]*\w[^\n]*)$",
    re.IGNORECASE | re.MULTILINE,
)
_SENTENCE_END: Final = re.compile(r"(?<=\w)[*_`\"'’”»)]{0,4}[.;!?](?=\s)")
_JOINS: Final = re.compile(r"[\s_]+|(?<=\w)[-‐‑–/](?=\w)")
_NOT_WORD: Final = re.compile(r"[^\w+#]+")
# Accents are put in order by insertion, so a "word" of nothing else would cost the square of its length.
_PIECE: Final = re.compile(r"\S{1,256}|\s+")
_EDGES: Final = " \t\r\n\"'`´‘’“”«»„.,;:!?*_~()[]{}<>|\\"


def read(reply: Reply, _request: Request, options: Options) -> str:
    text = text_of(reply)
    labels, key = tuple(options.get("labels", ())), options.get("key")
    # A classifier says the same few words over and over.
    return _read_again(text, labels, key) if len(text) <= _SHORT else _read(text, labels, key)


def _read(text: str, labels: tuple[str, ...], key: str | None) -> str:
    known = _known(labels)
    label = normalised(_found(text, key))
    if known:
        return label if label in known else _only_one_named(text, known)
    if not label or len(label.split()) > _MOST_WORDS:
        raise Unreadable("no label in the reply")
    return label


_read_again = lru_cache(maxsize=4_096)(_read)


def agree(a: str, b: str, _options: Options) -> float:
    return float(a == b)


def normalised(label: str) -> str:
    """The form in which two spellings of one label are equal."""
    folded = "".join(unicodedata.normalize("NFKC", piece) for piece in _PIECE.findall(label)).casefold()
    return _JOINS.sub(" ", folded.strip(_EDGES)).strip(_EDGES)


def _found(text: str, key: str | None) -> str:
    """What stands where a label is expected."""
    if (value := _from_json(text, key)) is not None:
        return value
    named = None
    for named in _NAMED.finditer(text):  # noqa: B007 - only the last one is wanted
        pass
    line = named["label"] if named else next(line for line in text.splitlines() if line.strip())
    end = _SENTENCE_END.search(line)
    return line[: end.start()] if end else line


def _from_json(text: str, key: str | None) -> str | None:
    try:
        value = parse(text)
    except Unreadable:
        return None
    if isinstance(value, dict):
        names = (key,) if key else _KEYS
        value = next((value[name] for name in names if name in value), None)
        return str(value) if isinstance(value, str | int | float) else None
    return value if isinstance(value, str) else None


def _only_one_named(text: str, known: Sequence[str]) -> str:
    words = _as_words(normalised(text))
    named: list[str] = []
    for label in sorted(known, key=len, reverse=True):
        if _as_words(label) in words:
            named.append(label)
            words = words.replace(_as_words(label), " | ")  # shorter labels inside it are not named
    if len(named) != 1:
        raise Unreadable("no known label in the reply" if not named else f"{len(named)} labels in the reply")
    return named[0]


def _as_words(text: str) -> str:
    return f" {_NOT_WORD.sub(' ', text)} "


@lru_cache(maxsize=64)
def _known(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(normalised(label) for label in labels))


SCORER = Scorer(read=read, agree=agree, options={"labels": list, "key": str})
