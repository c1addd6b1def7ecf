"""`meaning`: its options, reading a reply, and comparing two.

Options:

    threshold        cosine from which two texts may agree (0.85)
    different_below  cosine below which they differ (0.4)
    strict           whether every word needs a counterpart (true); needs the embeddings of the extra `meaning`
    model            name in [models] of an endpoint whose embeddings replace those of the extra

The defaults were measured with the extra's embeddings, see docs/scorers.md. The cosines of other models mean something
else: measure them with `shadow judge calibrate` and set both thresholds.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from scoring.scorers import text
from scoring.scorers.meaning import differences, word_vectors
from scoring.scorers.meaning.differences import Answer
from scoring.scorers.meaning.fetched import FETCHED, MAX_TEXT, Embeddings, Text
from scoring.scorers.scorer import Options, Request, Scorer, Uncomparable, text_of
from shadow.records import Reply

if TYPE_CHECKING:
    from scoring.scorers.meaning.word_vectors import Vector

#: On texts that people called the same or different, these keep both errors below 1% (docs/scorers.md).
THRESHOLD: Final = 0.85
DIFFERENT_BELOW: Final = 0.4


#: English contractions, written in full: "don't" and "do not" are the same words. A possessive 's is left out.
_CONTRACTIONS: Final = tuple(
    (re.compile(written, re.IGNORECASE), full)
    for written, full in (
        (r"\bcan['’]?t\b|\bcannot\b", "can not"),
        (r"\bwon['’]t\b", "will not"),
        (r"n['’]t\b", " not"),
        (r"['’]re\b", " are"),
        (r"['’]ll\b", " will"),
        (r"['’]ve\b", " have"),
        (r"['’]m\b", " am"),
        (r"(?<=\w)['’](?:s|d)\b", ""),
    )
)


def read(reply: Reply, request: Request, options: Options) -> Answer:
    answer = text_of(reply).strip()
    full = answer
    if "'" in answer or "’" in answer or "can" in answer:
        for written, words in _CONTRACTIONS:
            full = written.sub(words, full)
    return Answer(answer, text.read(msgspec.structs.replace(reply, content=full), request, options))


def agree(a: Answer, b: Answer, options: Options) -> float:
    """1 for texts that say the same, 0 for those that do not. Raises Uncomparable where neither is sure."""
    if a.words == b.words:
        return 1.0
    cosine = _cosine(a, b, options)
    if cosine < float(options.get("different_below", DIFFERENT_BELOW)):
        return 0.0
    if differences.of_language(a, b):
        raise Uncomparable("meaning_language", cosine=_rounded(cosine))
    lacking = b.numbers - a.numbers, a.numbers - b.numbers
    if all(lacking):
        return 0.0
    if any(lacking):
        raise Uncomparable("meaning_numbers", cosine=_rounded(cosine))
    if a.units != b.units or a.symbols != b.symbols:
        raise Uncomparable("meaning_symbols", cosine=_rounded(cosine))
    if a.negations != b.negations:
        if set(a.plain_words) == set(b.plain_words) and not (a.negations and b.negations):
            return 0.0
        raise Uncomparable("meaning_negation", cosine=_rounded(cosine))
    if names := differences.of_names(a, b):
        raise Uncomparable("meaning_names", cosine=_rounded(cosine), names=sorted(names)[:20])
    strict = options.get("strict", True)
    kind = differences.of_words(a, b, word_vectors.loaded()) if strict else differences.of_exchange(a, b)
    if kind is not None:
        raise Uncomparable(f"meaning_{kind}", cosine=_rounded(cosine))
    if cosine < float(options.get("threshold", THRESHOLD)):
        raise Uncomparable("meaning_unsure", cosine=_rounded(cosine))
    return 1.0


def describe(a: Answer, b: Answer, options: Options) -> dict[str, Any]:
    """The cosine (None without embeddings), numbers and negations of either side, and the words of one side only."""
    try:
        cosine = _rounded(_cosine(a, b, options))
    except Uncomparable:
        cosine = None
    return {
        "cosine": cosine,
        **text.differences(a.words, b.words, options),
        "numbers": {"frontier": sorted(a.numbers)[:20], "candidate": sorted(b.numbers)[:20]},
        "negations": {"frontier": a.negations, "candidate": b.negations},
    }


def problems(options: Options) -> list[str]:
    """What keeps the scorer from running with these options, one line each with its fix."""
    found = []
    low, high = (float(options.get(key, value)) for key, value in _THRESHOLDS.items())
    if not low <= high <= 1:
        found.append("options different_below and threshold of scorer 'meaning' must be in this order, and at most 1")
    if options.get("strict", True) or not options.get("model"):  # words are compared by the vectors of the extra
        problem = word_vectors.problem()
        found += [f"scorer 'meaning' {problem}"] if problem else []
    return found


_THRESHOLDS: Final[Mapping[str, float]] = {"different_below": DIFFERENT_BELOW, "threshold": THRESHOLD}


def _cosine(a: Answer, b: Answer, options: Options) -> float:
    ours, theirs = _vector(a, options), _vector(b, options)
    if ours.shape != theirs.shape:
        raise Uncomparable("meaning_not_embedded", problem="the two embeddings have different lengths")
    return min(1.0, float(ours @ theirs))


def _vector(answer: Answer, options: Options) -> "Vector":
    model = options.get("model") or ""
    if model not in answer.vectors:
        answer.vectors[model] = _looked_up(answer.text, options) if model else _of_words(answer.text)
    return answer.vectors[model]


def _of_words(content: str) -> "Vector":
    if len(content) > MAX_TEXT:
        raise Uncomparable("meaning_too_long")
    vector = word_vectors.loaded().text(content)
    if vector is None:
        raise Uncomparable("meaning_unknown_words")
    return vector


def _looked_up(content: str, options: Options) -> "Vector":
    if len(content) > MAX_TEXT:
        raise Uncomparable("meaning_too_long")
    fetched: Embeddings = options.get(FETCHED, {})
    found = fetched.get(Text(options["model"], content), "it was not asked for")
    if isinstance(found, str):
        raise Uncomparable("meaning_not_embedded", problem=found)
    return found


def _rounded(cosine: float) -> float:
    return round(cosine, 4)


SCORER = Scorer(
    read=read,
    agree=agree,
    differences=describe,
    problems=problems,
    options={"threshold": float, "different_below": float, "strict": bool, "model": str},
)
