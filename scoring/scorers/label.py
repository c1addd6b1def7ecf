r"""`label`: the answer is one class out of a few.

Two labels are the same when they differ only in case, surrounding punctuation or quotes, or in what joins their
words: `Card arrival`, "card_arrival." and `card-arrival` are one label; `c`, `c++` and `c#`, `1` and `-1`, `<50K`
and `>50K` are not.

Where the label stands, first found:
1. JSON, alone or fenced: a string, or the field `key` names, or one of the usual fields.
2. A mark: `\boxed{B}`, or a tag such as `<answer>B</answer>`.
3. The last naming of it: `Intent: refund`, `The correct answer is (B).` (or class, label, category, option …).
4. The first line, up to the end of its first sentence or to where an explanation begins (`B, because …`).

Option `labels` lists the classes there are. With it the answer must be one of them: if the place above does not hold
one, the whole text must name exactly one (as whole words; a label inside a longer named label does not count, nor one
that is negated; a label of one letter counts only as it is written, so the article *a* is no label). Without it, an
answer of more than 12 words is prose and not a label. An explanation in brackets is not cut off, because labels
have brackets too: list the `labels` if your model adds explanations. Option `key` names the field.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from scoring.scorers.json_text import parse
from scoring.scorers.numbers import latex
from scoring.scorers.scorer import Options, Request, Scorer, Unreadable, text_of, unicode_form
from shadow.records import Reply

#: Maximum length of a label; longer text is prose.
_MAX_WORDS: Final = 12
#: Maximum length of a reply whose result is cached, in characters.
_MAX_CACHED_CHARS: Final = 100

_KEYS: Final = ("label", "intent", "class", "category", "classification", "sentiment", "topic", "prediction", "answer")
_NAMED: Final = re.compile(
    rf"(?:^[^\w\n]{{0,20}}|\b)(?:(?:the|final|predicted|my|correct|right|best|likely)\s+){{0,4}}"
    rf"(?:{'|'.join(_KEYS)}|output|result|option|choice)[*_`\"' ]{{0,4}}"
    r"(?::|=|->|→|\bis\b)(?P<label>[^\n]{1,400})",
    re.IGNORECASE | re.MULTILINE,
)
_TAG: Final = re.compile(rf"<({'|'.join(_KEYS)}|output|result|final)>([^<>]{{1,300}})</\1>", re.IGNORECASE)
_MARKUP: Final = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]{0,20}(?:\s[^<>]{0,60})?/?>")
_FENCES: Final = re.compile(r"^[ \t]*```[a-zA-Z]{0,10}[ \t\r]*$", re.MULTILINE)
_SENTENCE_END: Final = re.compile(r"(?<=[\w)\]])[*_`\"'’”»)]{0,4}[.;!?](?=\s)")
_EXPLANATION: Final = re.compile(
    r"\W?\s(?:because|since|as|due to|which|weil|porque|parce que|given that)\b", re.IGNORECASE
)
_YES_NO: Final = re.compile(r"\W{0,3}(yes|no|ja|nein|oui|non|sí|true|false)[,.;:!–—-]", re.IGNORECASE)
_JOINS: Final = re.compile(r"[\s_]+|(?<=\w)[-‐‑–/](?=\w)")
_NOT_WORD: Final = re.compile(r"[^\w+#<>=≤≥%$€£-]+")
_EDGES: Final = " \t\r\n\"'`´‘’“”«»„.,;:!?*_~()[]{}|\\"
_ANGLES: Final = re.compile(r"<([^<>]*)>")
#: Words that negate the label behind them, with at most three words between the two.
_NEGATION: Final = re.compile(
    r"\b(?:not|no|never|neither|nor|without|isn t|isnt|isn't|aren't|wasn't|doesn't|don't|can't|cannot|non|nicht"
    r"|kein\w*|weder|pas|ni|nunca|rather than|instead of)(?:\s[\w']{1,12}){0,3}\s\Z"
)


def read(reply: Reply, _request: Request, options: Options) -> str:
    text = text_of(reply)
    labels, key = tuple(options.get("labels", ())), options.get("key")
    # A classifier repeats the same few words.
    return _read_cached(text, labels, key) if len(text) <= _MAX_CACHED_CHARS else _read(text, labels, key)


def _read(text: str, labels: tuple[str, ...], key: str | None) -> str:
    known = _known(labels)
    label = normalised(_found(text, key))
    if known:
        return label if label in known else _only_one_named(text, known, labels)
    if not label or len(label.split()) > _MAX_WORDS:
        raise Unreadable("no label in the reply")
    return label


_read_cached = lru_cache(maxsize=4_096)(_read)


def agree(a: str, b: str, _options: Options) -> float:
    return float(a == b)


def normalised(label: str) -> str:
    """The form in which two spellings of one label are equal."""
    folded = unicode_form(label, "NFKC").casefold().strip(_EDGES)
    if (enclosed := _ANGLES.fullmatch(folded)) is not None:
        folded = enclosed[1].strip(_EDGES)
    return _JOINS.sub(" ", folded).strip(_EDGES)


def _found(text: str, key: str | None) -> str:
    """The text in the place where a label is expected."""
    if ("{" in text or "[" in text or '"' in text) and (value := _from_json(text, key)) is not None:
        return value
    if "\\" in text and (boxes := latex.boxed(text)):
        return latex.plain(boxes[-1][1])
    if "</" in text:
        if tags := _TAG.findall(text):
            return str(tags[-1][1])
        text = _MARKUP.sub(" ", text)
    if "```" in text:
        text = _FENCES.sub("", text)
    named = None
    for found in _NAMED.finditer(text):
        if any(map(str.isalnum, found["label"])):
            named = found
    line = named["label"] if named else next((line for line in text.splitlines() if line.strip()), "")
    if named is None and (yes_no := _YES_NO.match(line)):
        return yes_no[1]
    if end := _SENTENCE_END.search(line):
        line = line[: end.start()]
    if explanation := _EXPLANATION.search(line):
        line = line[: explanation.start()]
    return line


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


def _only_one_named(text: str, known: Sequence[str], labels: Sequence[str]) -> str:
    """The one label that the text names and does not negate. Raises Unreadable where there is none, or more."""
    words = _as_words(normalised(_MARKUP.sub(" ", text)))
    written = f" {_NOT_WORD.sub(' ', text)} "
    letters = {normalised(label): label for label in labels if len(label) == 1 and label.isalpha()}
    named: list[str] = []
    negated = False
    for label in sorted(known, key=len, reverse=True):
        place = _as_words(label)
        if place not in words or (label in letters and f" {letters[label]} " not in written):
            continue
        if _NEGATION.search(words, max(0, words.index(place) - 60), words.index(place) + 1):
            negated = True
        else:
            named.append(label)
        words = words.replace(place, " | ")  # shorter labels inside it are not named
    if len(named) != 1:
        none = "the only label in the reply is negated" if negated else "no known label in the reply"
        raise Unreadable(f"{len(named)} labels in the reply" if named else none)
    return named[0]


def _as_words(text: str) -> str:
    return f" {_NOT_WORD.sub(' ', text)} "


@lru_cache(maxsize=64)
def _known(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(normalised(label) for label in labels))


SCORER = Scorer(read=read, agree=agree, options={"labels": list, "key": str})
