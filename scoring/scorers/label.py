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
that is negated, doubted or asked about; a label of one letter counts only as it is written, so the article *a* is no
label). Labels that differ in case alone are compared as they are written. Without it, an
answer of more than 12 words is prose and not a label. An explanation in brackets is not cut off, because labels
have brackets too: list the `labels` if your model adds explanations. Option `key` names the field.
"""

import html
import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from scoring.scorers.json_text import parse
from scoring.scorers.named_labels import Naming, namings
from scoring.scorers.numbers import latex
from scoring.scorers.scorer import Options, Request, Scorer, Unreadable, caseless, text_of, unicode_form
from shadow.records import Reply

#: Maximum length of a label; longer text is prose.
_MAX_WORDS: Final = 12
#: Maximum length of a reply whose result is cached, in characters.
_MAX_CACHED_CHARS: Final = 100

_KEYS: Final = ("label", "intent", "class", "category", "classification", "sentiment", "topic", "prediction", "answer")
_NAMES: Final = (*_KEYS, "output", "result", "option", "choice")
_NAMED: Final = re.compile(
    rf"\b(?:{'|'.join(_NAMES)})[*_`\"' ]{{0,4}}(?::|=|->|→|\bis\b)(?P<label>[^\n]{{1,400}})", re.IGNORECASE
)
_NAMED_AGAIN: Final = 8
#: From this number of characters on, a look for the names first is worth its time.
_LONG: Final = 80
_NAMED_BY: Final = (":", "=", "->", "→", " is ")
_TAG: Final = re.compile(rf"<({'|'.join(_KEYS)}|output|result|final)>([^<>]{{1,300}})</\1>", re.IGNORECASE)
_MARKUP: Final = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]{0,20}(?:\s[^<>]{0,60})?/?>|<\|[^<>|]{1,40}\|>")
_MATHS: Final = re.compile(r"\$(?=\w)([^$\n]{1,100})(?<=\w)\$")
#: Words that take back what was said before.
_RETRACTED: Final = re.compile(
    r"\b(?:wait|actually|correction|rather|on second thought"
    r"|scratch that|sorry|my mistake|hmm+|no, (?:it|that|this))\b",
    re.IGNORECASE,
)
_RETRACTING: Final = (
    "wait",
    "actually",
    "correction",
    "rather",
    "thought",
    "scratch",
    "sorry",
    "mistake",
    "hmm",
    "no, ",
)
#: Longest list mark, emphasis and punctuation around a label, in characters.
_DRESSING: Final = 12
_FENCES: Final = re.compile(r"^[ \t]*```[a-zA-Z]{0,10}[ \t\r]*$", re.MULTILINE)
_SENTENCE_END: Final = re.compile(r"(?<=[\w)\]])[*_`\"'’”»)]{0,4}(?P<end>[.!?])(?=\s|\Z)")
_EXPLANATION: Final = re.compile(
    r"\W?\s(?:because|since|as|due to|which|weil|porque|parce que|given that)\b", re.IGNORECASE
)
_YES_NO: Final = re.compile(r"\W{0,3}(yes|no|ja|nein|oui|non|sí|true|false)(?:\s?[,.;:!–—]|\s?-(?=\s))", re.IGNORECASE)
_JOINS: Final = re.compile(r"(?<=\w)(?:[-‐‑–]|\s?/\s?)(?=\w)|[\s_]+")
_EDGES: Final = " \t\r\n\"'`´‘’“”«»„.,;:!?*_~()[]{}|\\"
_AROUND_EXACT: Final = " \t\r\n\"'`“”‘’«»*"
_ANGLES: Final = re.compile(r"<([^<>]*)>")
#: Signs that negate the word behind them.
_NEGATES: Final = re.compile(r"\s*[*_`\"']{0,3}(?:!|~|¬)\s?\w")
_SIGNS: Final = str.maketrans({"−": "-", "≤": "<=", "≥": ">=", "’": "'", "\u200b": None, "\ufeff": None})


class _Known(NamedTuple):
    """The labels of a task: by their normal form; as they are written, those that share their normal form."""

    names: Mapping[str, str]
    exact: frozenset[str]
    normal: tuple[tuple[str, str], ...]
    longest: int


def read(reply: Reply, _request: Request, options: Options) -> str:
    text = text_of(reply)
    labels, key = tuple(options.get("labels", ())), options.get("key")
    # A classifier repeats the same few words.
    return _read_cached(text, labels, key) if len(text) <= _MAX_CACHED_CHARS else _read(text, labels, key)


def _read(text: str, labels: tuple[str, ...], key: str | None) -> str:
    if "&" in text:
        text = html.unescape(text)
    found, is_asked = _found(text, key)
    if labels:
        return _one_of(labels, text, found, is_asked=is_asked)
    label = normalised(found)
    if not label or len(label.split()) > _MAX_WORDS:
        raise Unreadable("no label in the reply")
    if _NEGATES.match(found):
        raise Unreadable("the label is negated")
    return label


_read_cached = lru_cache(maxsize=4_096)(_read)


def agree(a: str, b: str, _options: Options) -> float:
    return float(a == b)


def normalised(label: str) -> str:
    """The form in which two spellings of one label are equal."""
    folded = caseless(_one_form(label)).strip(_EDGES)
    if (enclosed := _ANGLES.fullmatch(folded)) is not None:
        folded = enclosed[1].strip(_EDGES)
    return _JOINS.sub(" ", folded).strip(_EDGES)


def _found(text: str, key: str | None) -> tuple[str, bool]:
    """The text in the place where a label is expected, and whether it is a question."""
    if ("{" in text or "[" in text or '"' in text) and (value := _from_json(text, key)) is not None:
        return value, False
    if "\\" in text and (boxes := latex.boxed(text)):
        return latex.plain(boxes[-1][1]), False
    if "</" in text and (tags := _TAG.findall(text)):
        return str(tags[-1][1]), False
    if "</" in text or "<|" in text:
        text = _MARKUP.sub(" ", text)
    if "```" in text:
        text = _FENCES.sub("", text)
    if "$" in text:
        text = _MATHS.sub(r"\1", text)
    named = _last_named(text)
    line = named or next((line for line in text.splitlines() if line.strip()), "")
    is_asked = False
    if named is None and (yes_no := _YES_NO.match(line)):
        return yes_no[1], False
    if end := _SENTENCE_END.search(line):
        line, is_asked = line[: end.start()], end["end"] == "?"
    if explanation := _EXPLANATION.search(line):
        line = line[: explanation.start()]
    return line, is_asked


def _last_named(text: str) -> str | None:
    """What stands behind the last naming of a label, such as "Intent:"; a line may name it again."""
    named = None
    for found in _NAMED.finditer(text, _first_name(text)):
        if not any(map(str.isalnum, found["label"])):
            continue
        named = found["label"]
        for _ in range(_NAMED_AGAIN):
            if (
                not any(by in named for by in _NAMED_BY)
                or (again := _NAMED.search(named)) is None
                or not any(map(str.isalnum, again["label"]))
            ):
                break
            named = again["label"]
    return named


def _first_name(text: str) -> int:
    """Where the search for a naming begins: much faster than the expression. In ASCII, a small letter has the place."""
    if len(text) < _LONG or not text.isascii():
        return 0
    folded = text.lower()
    return min((at for name in _NAMES if (at := folded.find(name)) >= 0), default=len(text))


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


def _one_of(labels: tuple[str, ...], text: str, found: str, *, is_asked: bool) -> str:
    """The one of `labels` that the reply names. Raises Unreadable where there is none, or more than one."""
    known = _known(labels)
    label = _as_known(found, known)
    if label is not None and not is_asked and not _NEGATES.match(found):
        if len(text) > len(found) and _names_another(text, label, known):
            raise Unreadable("several labels in the reply")
        return label
    all_named = _namings(text, known)
    named = {as_known for naming in all_named if naming.is_asserted and (as_known := _as_known(naming.label, known))}
    if len(named) != 1:
        none = "the only label in the reply is negated" if all_named else "no known label in the reply"
        raise Unreadable(f"{len(named)} labels in the reply" if named else none)
    return named.pop()


def _names_another(text: str, label: str, known: _Known) -> bool:
    """Whether a line of the reply is another label, or the reply takes its label back and names another."""
    for line in text.splitlines():
        if 0 < len(line) <= known.longest + _DRESSING and _as_known(line, known) not in (None, label):
            return True
    folded = text.casefold()
    if not any(word in folded for word in _RETRACTING) or not _RETRACTED.search(text):
        return False
    return any(naming.is_asserted and _as_known(naming.label, known) != label for naming in _namings(text, known))


def _namings(text: str, known: _Known) -> list[Naming]:
    """The namings of known labels in the text. Only the labels that it contains at all are looked for."""
    searchable = _searchable(text)
    normal = normalised(searchable)
    return namings(searchable, tuple(label for label, name in known.normal if name in normal))


def _as_known(written: str, known: _Known) -> str | None:
    """The label that `written` is, or None."""
    normal = normalised(written)
    if normal in known.names:
        return known.names[normal]
    exact = unicode_form(written).strip(_AROUND_EXACT)
    return exact if exact in known.exact else None


def _searchable(text: str) -> str:
    text = _MARKUP.sub(" ", text) if "<" in text else text
    return _one_form(text)


def _one_form(text: str) -> str:
    return text if text.isascii() else unicode_form(text, "NFKC").translate(_SIGNS)


@lru_cache(maxsize=64)
def _known(labels: tuple[str, ...]) -> _Known:
    labels = tuple(dict.fromkeys(labels))
    normal = [normalised(label) for label in labels]
    count = Counter(normal)
    names = {name: name for name in normal if count[name] == 1}
    pairs = tuple(zip(labels, normal, strict=True))
    exact = frozenset(unicode_form(label) for label, name in pairs if count[name] > 1)
    return _Known(names, exact, pairs, max(map(len, labels)))


SCORER = Scorer(read=read, agree=agree, options={"labels": list, "key": str})
