r"""`numeric`: the answer is a number (or a time, a date, a range, a tuple), and it is the last one in the text.

A model that shows its work ends with the result. Explicit marks outrank the last place, because text may follow
them: `\boxed{42}` and `#### 42` first, then a named answer ("The answer is 42", "Answer: 42"). Calculator notes
(`<<80*2=160>>`) and citation marks (`[1]`) are not answers and are removed.

`notation` says which notations are read, `latex` which LaTeX, `units` which units and currencies, `number_words` which
numbers in words. Units are compared where both replies have one: 1 km and 1000 m are the same, 5 km and 5 miles are
not, and 5 is the same as 5 km. 50% is the same as 50 and as 0.5.

`context` looks at what stands around the number: an expression is computed (3π/4) or not read at all (3x + 2), a bound
belongs to the number (x > 5 is not 5; "at least 5" may be written as 5), a negated number is not read, and a last
sentence with several numbers joined to one another ("3 apples and 5 pears") is not read.

Options: `absolute` and `relative`, the largest difference that still agrees; `relative` is a share of the larger of the
two. Without them whole numbers agree only if they are equal, and others within rounding: 1e-6, or a millionth of the
larger if that is less.
"""

import re
from collections.abc import Iterator
from typing import Final

from scoring.scorers.numbers import latex, number_words
from scoring.scorers.numbers.markup import plain
from scoring.scorers.numbers.notation import plain_number
from scoring.scorers.numbers.quantities import last, only, plain_last, quantities
from scoring.scorers.numbers.quantity import Quantity, same
from scoring.scorers.numbers.units import currency
from scoring.scorers.scorer import Options, Request, Scorer, Unreadable, text_of
from shadow.records import Reply

_NOTE: Final = re.compile(r"<<[^<>]{0,300}(?:>>|\Z)")
_HASHES: Final = re.compile(r"####([^\n]{0,200})")
#: "The answer is", in several languages. Words of scripts without spaces need no space around them.
_NAMES: Final = (
    "answer", "result", "solution", "antwort", "ergebnis", "lösung", "respuesta", "resultado", "solución", "réponse",
    "résultat", "risposta", "risultato", "resposta", "antwoord", "svar", "odpowiedź", "cevap", "jawaban", "ответ",
    "الجواب",
    "الإجابة", "उत्तर", "đáp án", "vastaus",
)  # fmt: skip
_JOINED_NAMES: Final = ("答案", "回答", "答え", "答", "정답", "답", "คำตอบ")
#: Those of these words that have other letters than ASCII.
_OTHER_PARTS: Final = tuple(name for name in _NAMES + _JOINED_NAMES if not name.isascii())
_NAMED: Final = re.compile(
    rf"(?:\b(?:{'|'.join(_NAMES)})(?:ado)?(?!\w)|(?:{'|'.join(_JOINED_NAMES)}))"
    r"[*_`\"'’ \t\u00a0]{0,4}(?:(?:is|was|ist|war|est|es|è|é|are|lautet|jest|adalah)\b|:|=>?|->|→|：|是|は|은|는|है|—|–)"
    r"[*_`\"'’ \t\u00a0:：]{0,6}(?P<answer>[^\n]{1,200})",
    re.IGNORECASE,
)
#: "42 is the answer".
_NAMED_BEHIND: Final = re.compile(
    r"^(?P<answer>[^\n.!?;:]{1,60}?)[*_`]{0,3} (?:is|ist|est|es|è) (?:the|your|our|my|die|la"
    r"|el|das|le) (?:\w+ )?(?:answer|result|antwort|ergebnis|respuesta|réponse|risposta)\b",
    re.IGNORECASE | re.MULTILINE,
)
#: A sentence's end that is no decimal point.
_SENTENCE: Final = re.compile(
    r"(?:[!?]|(?<!\bRs)\.(?! [^\W\d_]{3,10} \d{4}\b))(?=\s|\Z|[*_$\"'])|[;。；！]|，(?!\d{3})"
)
#: Where an answer ends and an explanation begins.
_EXPLANATION: Final = re.compile(
    r"\b(?:because|since|as|so|which|where|weil|da|porque|parce|i\.e\."
    r"|not|rather|instead|when|if)\b|,\s(?!(?:and|or)\b)(?=[^\W\d_]{2})"
    r"|\s\((?=[^\W\d_])|(?<=\d)\s\((?=\d{1,4}[^\W\d_])",
    re.IGNORECASE,
)
#: Lines that say something about the answer and are none, and the heading of an explanation.
_ASIDE: Final = re.compile(
    r"\W{0,6}(?:confidence|certainty|konfidenz|sources?|references?)\b[^\n]{0,80}", re.IGNORECASE
)
_HEADINGS: Final = (
    "explanation",
    "reasoning",
    "justification",
    "erklärung",
    "begründung",
    "explication",
    "explicación",
)
_HEADING: Final = re.compile(
    rf"^\W{{0,6}}(?:{'|'.join(_HEADINGS)})\W{{0,4}}(?::|$)",
    re.IGNORECASE | re.MULTILINE,
)
#: Words behind "The answer is" that announce it and are none.
_ANNOUNCED: Final = re.compile(r"(?:\bfollows|\bbelow|:|\bby|\bis|=|,|\bfollowing|\bthus|\bhere)\W*\Z", re.IGNORECASE)
_MOST_WORDS_OF_ANSWER: Final = 4
#: In words: behind a number in the same line, they may be the answer.
_BECAUSE: Final = re.compile(
    r"(?<=\d)(?:[^\w\n]?\s?[^\W\d_]{1,12}){0,3},?\s(?:because|since|weil|porque|parce que)\b[^\n]{0,400}", re.IGNORECASE
)
_ASSIGNMENT_LINES: Final = re.compile(
    r"\A\s*(?:\W{0,4}(?!(?i:total|sum|answer|result))(?:[a-zA-Z]\s?=|[^\W\d_]{2,12}:)[^\n=]{1,40}(?:\n+|\Z)){2,8}\s*\Z"
)
_SHORT: Final = 80

#: The commonest endings, read without the general search: "#### 42" and "… = $1,200." or "… is 42".
_SIMPLE_MARK: Final = re.compile(
    r"\s*(?P<currency>\$?)(?P<digits>-?(?:[1-9]\d{0,2}(?:,\d{3}){1,4}|[1-9]\d{0,14}|0)(?:\.\d{1,9})?)\.?\s*\Z", re.ASCII
)
_SIMPLE_END: Final = re.compile(
    r"(?:(?<![\d <>!])(?P<by>[=:]) |(?<= )(?P<equals>=) |\b(?:is|are|was|has|have|had|get|gets|total) )"
    r"(?P<currency>\$?)(?P<digits>[1-9]\d{0,2}(?:,\d{3}){0,3}|[1-9]\d{0,14}|0)[.!]?\s*\Z"
)
_SIMPLE_END_LENGTH: Final = 32
#: Words of a line whose last number alone may not be the answer.
_SEVERAL: Final = re.compile(r" (?:and|or|because|since|not|weil|und|oder) |\d[.;] [A-Z]\w{0,11}: ")
#: Where the last quantity of a long line is looked for first, in characters.
_END: Final = 96
_BULLET: Final = re.compile(r"\A\s{0,8}[-*•–]\s+")
#: x = 3 and y = 4: an answer with several equals signs.
_SEVERAL_ASSIGNED: Final = re.compile(r"=[^=]{1,40}(?:[,;]|\b(?:and|or)\b)\s*\$?\s?[^\W\d_]{1,12}\s?=")
_MAY_BE_BULLET: Final = frozenset("-*•– \t")
_DOLLARS: Final = currency("$")


def read(reply: Reply, _request: Request, _options: Options) -> Quantity:
    text = text_of(reply)
    if len(text) <= _SIMPLE_END_LENGTH and (simple := _SIMPLE_MARK.match(text)):
        return _simple(simple)  # a number and nothing else, as references are
    if "<<" in text:
        text = _NOTE.sub("", text)
    if (marked := _marked(text)) is not None:
        return marked
    final = text.rstrip().rpartition("\n")[2]
    if (
        "answer is" in final
        and (simple := _SIMPLE_END.search(final, max(0, len(final) - _SIMPLE_END_LENGTH)))
        and final.endswith("answer is", 0, simple.start() + 2)
    ):
        return _simple(simple)
    folded = text.casefold()
    if _is_named(folded) and (named := _named(text)) is not None:
        return named
    if _is_explained(folded):
        text = _without_explanation(text)
    return _last_in(text)


def numbers(text: str) -> Iterator[int | float]:
    """Every plain number in the text, from left to right."""
    for found in quantities(text):
        if found.quantity.kind in ("number", "code"):
            yield found.quantity.values[0]


def _last_in(text: str) -> Quantity:
    """The last quantity. From the last line up: long working is then never searched at all."""
    for line in reversed(text.splitlines()):
        simple = _simple_end(line)
        if simple and not (_SEVERAL.search(line) or ((simple["by"] or simple["equals"]) and "," in line)):
            if len(text) < _SHORT and _ASSIGNMENT_LINES.match(text):
                raise Unreadable("several variables in the answer")
            return _simple(simple)
        if any(map(str.isnumeric, line)) or "π" in line:
            if _ASIDE.fullmatch(line):
                continue
            if len(text) < _SHORT and _ASSIGNMENT_LINES.match(text):
                raise Unreadable("several variables in the answer")
            if (found := _last_of(line)) is not None:
                return found
    if len(text) <= _SHORT and (stated := _in_words(text)) is not None:
        return stated
    raise Unreadable("no number in the reply")


def _marked(text: str) -> Quantity | None:
    r"""What the last `\boxed{…}` or `####` with a quantity holds."""
    marks = latex.boxed(text) if "\\" in text and ("\\boxed" in text or "\\fbox" in text) else []
    if "####" in text:
        marks += [(found.start(), _first_clause(found[1])) for found in _HASHES.finditer(text)]
    for _, mark in sorted(marks, reverse=True):
        if simple := _SIMPLE_MARK.match(mark):
            return _simple(simple)
        if (found := only(_answer(plain(mark)))) is not None:
            return found
    return None


def _simple_end(line: str) -> re.Match[str] | None:
    end = line.rstrip()
    if not (end[-2:-1] if end[-1:] in (".", "!") else end[-1:]).isdecimal():
        return None  # so most lines are not searched
    return _SIMPLE_END.search(line, max(0, len(line) - _SIMPLE_END_LENGTH))


def _is_named(folded: str) -> bool:
    """Whether a word for "answer" stands in the text. Written out, because a generator takes twice the time."""
    return (
        "answer" in folded
        or "result" in folded
        or "solution" in folded
        or "antwo" in folded
        or "ergebnis" in folded
        or "respuesta" in folded
        or "risposta" in folded
        or "resposta" in folded
        or "svar" in folded
        or "cevap" in folded
        or "jawaban" in folded
        or (not folded.isascii() and any(part in folded for part in _OTHER_PARTS))
    )


def _is_explained(folded: str) -> bool:
    return (
        "explanation" in folded
        or "reasoning" in folded
        or "justification" in folded
        or "explication" in folded
        or (not folded.isascii() and any(word in folded for word in _HEADINGS))
    )


def _without_explanation(text: str) -> str:
    heading = _HEADING.search(text)
    before = text[: heading.start()] if heading else ""
    has_answer = any(map(str.isnumeric, before)) or (
        len(before) <= _SHORT and number_words.number_in(before) is not None
    )
    return before if has_answer else text


def _named(text: str) -> Quantity | None:
    """What stands behind the last "the answer is", or before "is the answer"."""
    for found in reversed(list(_NAMED.finditer(text))):
        answer = plain(found["answer"])
        sentence = _first_clause(answer)
        if (quantity := only(_answer(sentence))) is not None:
            return quantity
        if (stated := _in_words(sentence)) is not None:
            return stated
        if (
            sentence.strip(" .*:")
            and len(sentence.split()) <= _MOST_WORDS_OF_ANSWER
            and not _ANNOUNCED.search(sentence)
        ):
            raise Unreadable("the answer is not a number that is read")
    behind = _NAMED_BEHIND.search(text)
    return only(_answer(plain(behind["answer"]))) if behind else None


def _in_words(text: str) -> Quantity | None:
    stated = number_words.number_in(text)
    number = None if stated is None else plain_number(stated)
    return None if number is None else Quantity("number", (number,))


def _simple(found: re.Match[str]) -> Quantity:
    digits = found["digits"].replace(",", "")
    value: int | float = float(digits) if "." in digits else int(digits)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return Quantity("number", (value,), _DOLLARS if found["currency"] else None)


def _first_clause(text: str) -> str:
    """`text` up to the end of its sentence, or to where an explanation begins."""
    for end in (_SENTENCE, _EXPLANATION):
        if (found := end.search(text)) and any(map(str.isalnum, text[: found.start()])):
            text = text[: found.start()]
    return text


def _answer(expression: str) -> str:
    """What stands behind the last equals sign, 6 × 7 = 42, unless the expression states several values."""
    if any(sign in expression for sign in ("≠", "!=", ">=", "<=")) or _SEVERAL_ASSIGNED.search(expression):
        return expression
    return re.split(r"=|≈", expression)[-1]


def _has_markup(line: str) -> bool:
    return "\\" in line or "*" in line or "<" in line or "_" in line or "`" in line or "[" in line or "~" in line


def _last_of(line: str) -> Quantity | None:
    """The last quantity of a line; only its end is searched, unless the quantity could begin before that."""
    if line[:1] in _MAY_BE_BULLET:
        line = _BULLET.sub("", line)
    is_explained = " because " in line or " since " in line or " weil " in line
    if not is_explained and not _has_markup(line) and (simple := plain_last(line)) is not None:
        return simple
    line = plain(line)
    if is_explained:
        line = _BECAUSE.sub("", line)
    if len(line) > _END and (found := last(line[-_END:], begins_after=_END // 2)) is not None:
        return found
    return last(line)


def agree(a: Quantity, b: Quantity, options: Options) -> float:
    return float(a == b or same(a, b, absolute=options.get("absolute"), relative=options.get("relative")))


SCORER = Scorer(read=read, agree=agree, options={"absolute": float, "relative": float})
