r"""`numeric`: the answer is a number (or a time, a date, a range, a tuple), and it is the last one in the text.

A model that shows its work ends with the result. Explicit marks outrank the last place, because text may follow
them: `\boxed{42}` and `#### 42` first, then a named answer ("The answer is 42", "Answer: 42"). Calculator notes
(`<<80*2=160>>`) and citation marks (`[1]`) are not answers and are removed.

`notation` says which notations are read, `latex` which LaTeX, `units` which units. Units are compared where both
replies have one: 1 km and 1000 m are the same, 5 km and 5 miles are not, and 5 is the same as 5 km. Numbers in
words are not read.

Options: `absolute` and `relative`, the largest difference that still agrees (defaults 1e-6 and 1e-9); `relative` is a
share of the larger of the two. Without these options whole numbers agree only if they are equal.
"""

import re
from collections.abc import Iterator
from typing import Final

from scoring.scorers.numbers import latex
from scoring.scorers.numbers.quantities import last, only, quantities
from scoring.scorers.numbers.quantity import Quantity, same
from scoring.scorers.scorer import Options, Request, Scorer, Unreadable, text_of
from shadow.records import Reply

_NOTE: Final = re.compile(r"<<[^<>]{0,300}(?:>>|\Z)")
#: [1], [2, 3], [^4], 【5】 behind a word or number: a source, not an answer.
_CITATION: Final = re.compile(
    r"(?<=[\w.,;:!?)%\"'])\s?(?:\[\^?\d{1,3}(?:\s?[,–-]\s?\d{1,3}){0,5}\](?!\()|【[^【】]{1,40}】)"
)
_HASHES: Final = re.compile(r"####([^\n]{0,200})")
_NAMES: Final = ("answer", "result", "antwort", "ergebnis", "respuesta", "réponse", "résultat", "risposta", "答案")
_NAMED: Final = re.compile(
    rf"(?:\b|(?=答))(?:{'|'.join(_NAMES)})(?:ado)?(?:\b|(?<=案))"
    r"[*_`\"'’ \t]{0,4}(?:(?:is|was|ist|est|es|è|are)\b|:|=>?|->|→|：|是)[*_`\"'’ \t:]{0,6}(?P<answer>[^\n]{1,200})",
    re.IGNORECASE,
)
#: A sentence's end that is no decimal point.
_SENTENCE: Final = re.compile(r"[.!?](?=\s|\Z|[*_$\"'])|[;]")
#: Where an answer ends and an explanation begins.
_EXPLANATION: Final = re.compile(
    r"\b(?:because|since|as|so|which|where|weil|da|porque|parce|i\.e\.|not|rather|instead|when|if)\b|,\s(?!(?:and|or)\b)(?=[^\W\d_]{2})"
    r"|\s\((?=[^\W\d_])",
    re.IGNORECASE,
)

#: The commonest endings, read without the general search: "#### 42" and "… = $1,200." or "… is 42".
_SIMPLE_MARK: Final = re.compile(r"\s*(?P<currency>\$?)(?P<digits>-?\d{1,15})\.?\s*\Z")
_SIMPLE_END: Final = re.compile(
    r"(?:(?<![\d ])(?P<by>[=:]) |(?<= )(?P<equals>=) |\b(?:is|are|was|has|have|had|get|gets|total) )"
    r"(?P<currency>\$?)(?P<digits>[1-9]\d{0,2}(?:,\d{3}){0,3}|\d{1,15})[.!]?\s*\Z"
)
_SIMPLE_END_LENGTH: Final = 32
#: Where the last quantity of a long line is looked for first, in characters.
_END: Final = 96


def read(reply: Reply, _request: Request, _options: Options) -> Quantity:
    text = text_of(reply)
    if len(text) <= _SIMPLE_END_LENGTH and (simple := _SIMPLE_MARK.match(text)):
        return _simple(simple)  # a number and nothing else, as references are
    if "<<" in text:
        text = _NOTE.sub("", text)
    if (marked := _marked(text)) is not None:
        return marked
    if "[" in text or "【" in text:
        text = _CITATION.sub("", text)
    final = text.rstrip().rpartition("\n")[2]
    if (simple := _SIMPLE_END.search(final, max(0, len(final) - _SIMPLE_END_LENGTH))) and final.endswith(
        "answer is", 0, simple.start() + 2
    ):
        return _simple(simple)
    if (named := _named(text)) is not None:
        return named
    # From the last line up: long working is then never searched at all.
    for line in reversed(text.splitlines()):
        simple = _SIMPLE_END.search(line, max(0, len(line) - _SIMPLE_END_LENGTH))
        if simple and not ((simple["by"] or simple["equals"]) and ("," in line or " and " in line)):
            return _simple(simple)
        if any(map(str.isnumeric, line)) and (found := _last_of(line)) is not None:
            return found
    raise Unreadable("no number in the reply")


def numbers(text: str) -> Iterator[int | float]:
    """Every plain number in the text, from left to right."""
    for found in quantities(text):
        if found.quantity.kind == "number":
            yield found.quantity.values[0]


def _marked(text: str) -> Quantity | None:
    r"""What the last `\boxed{…}` or `####` with a quantity holds."""
    marks = latex.boxed(text) if "\\boxed" in text or "\\fbox" in text else []
    if "####" in text:
        marks += [(found.start(), _first_clause(found[1])) for found in _HASHES.finditer(text)]
    for _, mark in sorted(marks, reverse=True):
        if simple := _SIMPLE_MARK.match(mark):
            return _simple(simple)
        if (found := only(_answer(latex.plain(mark)))) is not None:
            return found
    return None


def _named(text: str) -> Quantity | None:
    """What stands behind the last "the answer is"."""
    folded = text.casefold()
    if not any(word in folded for word in _NAMES):
        return None
    for found in reversed(list(_NAMED.finditer(text))):
        sentence = _first_clause(latex.plain(found["answer"]))
        if (quantity := only(_answer(sentence))) is not None:
            return quantity
    return None


def _simple(found: re.Match[str]) -> Quantity:
    return Quantity("number", (int(found["digits"].replace(",", "")),), found["currency"] or None)


def _first_clause(text: str) -> str:
    """`text` up to the end of its sentence, or to where an explanation begins."""
    for end in (_SENTENCE, _EXPLANATION):
        if found := end.search(text):
            text = text[: found.start()]
    return text


def _answer(expression: str) -> str:
    """What stands behind the last equals sign: 6 × 7 = 42."""
    return re.split(r"=|≈", expression)[-1]


def _last_of(line: str) -> Quantity | None:
    """The last quantity of a line; only its end is searched, unless the quantity could begin before that."""
    line = latex.plain(line)
    if len(line) > _END and (found := last(line[-_END:], begins_after=_END // 2)) is not None:
        return found
    return last(line)


def agree(a: Quantity, b: Quantity, options: Options) -> float:
    if a == b:
        return 1.0
    is_whole = all(isinstance(value, int) for value in (*a.values, *b.values))
    absolute = float(options.get("absolute", 0.0 if is_whole else 1e-6))
    relative = float(options.get("relative", 0.0 if is_whole else 1e-9))
    return float(same(a, b, absolute=absolute, relative=relative))


SCORER = Scorer(read=read, agree=agree, options={"absolute": float, "relative": float})
