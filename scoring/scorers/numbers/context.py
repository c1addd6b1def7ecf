"""What stands around a number and changes its meaning: operators, comparisons, negations, other numbers.

A number whose neighbourhood is understood is read with it, such as a bound ("at least 5"). Any other raises
`Unreadable`, so that two answers are never compared by the part that was read.
"""

import re
from typing import Final

from scoring.scorers.numbers import expressions
from scoring.scorers.numbers.notation import Found
from scoring.scorers.numbers.number_words import has_number
from scoring.scorers.numbers.plain_numbers import READ_BESIDE, word_before
from scoring.scorers.numbers.quantity import Bound, Quantity
from scoring.scorers.scorer import Unreadable

#: How far before and behind a number is looked, in characters.
_NEAR: Final = 24
#: An operand and an operator before the number.
_OPERATOR_BEFORE: Final = re.compile(
    r"(?:[\w)\]π%]\s?[*×·⋅÷/⁄^+]|[\d)π]\s?[-–−])\s?[(√]?\s?\Z|(?:[√∛∜^]|\bsqrt)\s?\(?\Z"
)
_OPERATOR_BEHIND: Final = re.compile(
    r"\s?\)?\s?(?:[\^×÷√∛∜π⁄]|\*\s?[\w(]|[·⋅]\s?\w|[+−]\s?[\w(√π]"
    r"|-\s?[\d(√π]|\([\d√π-])|\s?(?:pi|sqrt)\b|\)\s?[⁰¹²³⁴⁵⁶⁷⁸⁹/]"
)
_EXPRESSION_BEFORE: Final = re.compile(r"(?:[\d.,π√∛∜()^*×·⋅÷/⁄+−–⁰¹²³⁴⁵⁶⁷⁸⁹⁻ -]|\bpi|\bsqrt){0,80}\Z")
_EXPRESSION_BEHIND: Final = re.compile(r"(?:[\d.,π√∛∜()^*×·⋅÷/⁄+−–⁰¹²³⁴⁵⁶⁷⁸⁹⁻ -]|pi\b|sqrt\b){0,80}")
_COMPUTED: Final = re.compile(r"[*×·⋅÷/⁄^√∛∜π+⁰¹²³⁴⁵⁶⁷⁸⁹]|pi|sqrt")
#: What makes the number before it something else.
_CHANGED_BEHIND: Final = re.compile(
    r"(?:[^\W\d_\u0900-\ud7af]|_|[₀-₉]|\d|[♭♯#∞]|-[^\W\d_]*\d|/\w{1,2}(?!\w)|:\d|\.\.\d|\s[eE][-+]?\d"
    r"|\s?\(?(?:in\s)?(?:base|binary|octal|hex|hexadecimal)\b|\s(?:squared"
    r"|cubed|factorial|below\szero|under\szero|noon|midnight|o['’]clock|to the)\b"
    r"|\s[b-hj-zB-HJ-Z](?![\w'’.])|\s?[<>≤≥≠]|\s?[!=]=|\s?,\s?(?:[-+−]?∞|[A-Za-z][,)\]}]))"
)
#: What none of these expressions, nor those for bounds, look for: the end, or an ordinary word.
_HARMLESS_BEHIND: Final = re.compile(
    r"[.?]?\s*\Z| (?!(?:sqrt|base|binary|octal|hex|hexadecimal|squared|cubed|factorial|below|under|noon|midnight"
    r"|and)\b)[a-z]{3}"
)
_CENTURY: Final = re.compile(r"(?:st|nd|rd|th)\s(?:century|millennium)\s(?:BC|B\.C|AD|CE)")
_ORDINAL: Final = re.compile(r"(?:st|nd|rd|th|er|ª|º)\b")
_NEGATION_BEFORE: Final = re.compile(
    r"(?:\b(?:not|never|isn['’]t|wasn['’]t|aren['’]t|doesn['’]t|cannot|can['’]t|nicht|kein\w*|pas|nunca|ni|não|non|не)"
    r"(?:\s(?:be|equal(?:\sto)?|exactly|the|a|mehr|gleich|es|è|é)){0,2}|≠|!=|\\neq?|不是|并非|不等于|없|ليس|ليست)\s?\Z",
    re.IGNORECASE,
)
_FUNCTION_BEFORE: Final = re.compile(
    r"\b(?:root|half|third|quarter|absolute\svalue|reciprocal|factorial|cube|square)\sof\s?\Z"
    r"|\b(?:twice|double|triple|thrice|point)\s\Z"
    r"|\\[a-zA-Z]{1,20}(?:\{[^{}]{0,20}\})?\{\s?\Z|"
    r"(?:\b(?:sin|cos|tan|cot|sec|csc|log|ln|exp|arcsin|arccos"
    r"|arctan|mod|past|quarter\sto|half\spast|viertel|halb|root)"
    r"|[A-Za-z](?=\())\s?\(?\Z|\|\{?\Z|[^\W\d_]-\Z|_\Z|~\Z(?<=[\d ]~)(?<=\d~)"
    r"|±\s?\Z|\+/-\s?\Z|∞[,;]?\s?\Z|[(\[{,]\s?[A-Za-z],\s?\Z",
    re.IGNORECASE,
)
_CODE_BEFORE: Final = re.compile(
    r"(?:\b[A-Z]{1,3}\d{1,3}|\b(?i:spring|summer|fall|autumn|winter|early|late"
    r"|mid|frühling|sommer|herbst|winter|printemps|été|automne|hiver))[ -]\Z"
)
_WEEKDAY_BEFORE: Final = re.compile(
    r"\b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun|mo|di|mi|do|fr|sa|so)(?:day"
    r"|n?tag|nstag|nnerstag)?s?,?\s(?:at\s|um\s)?\Z|\b(?:tomorrow|yesterday|today)\s(?:at\s)?\Z",
    re.IGNORECASE,
)
_BOUND_WORDS: Final[tuple[tuple[str, Bound], ...]] = (
    ("≤|<=|⩽", "≤"), ("≥|>=|⩾", "≥"), ("<", "<"), (">", ">"),
    (r"\b(?:more|greater|larger|higher)\sthan|\b(?:over|above|exceeds|mehr\sals|über|plus\sde|más\sde)", ">"),
    (r"\b(?:less|fewer|smaller|lower)\sthan|\b(?:under|below|weniger\sals|unter|moins\sde|menos\sde)", "<"),
    (r"\b(?:at\sleast|a\sminimum\sof|mindestens|au\smoins|al\smenos)", "least"),
    (r"\b(?:at\smost|up\sto|a\smaximum\sof|höchstens|au\splus|como\smáximo)", "most"),
)  # fmt: skip
_BOUNDS_BEFORE: Final = [(re.compile(rf"(?:{words})\s?\Z", re.IGNORECASE), bound) for words, bound in _BOUND_WORDS]
_MAY_BOUND: Final = frozenset("<>=≤≥⩽⩾nrewostfux")
_BOUND_BEHIND: Final = re.compile(
    r"\s?\+(?=\s|[.,;)]|\Z)|\s(?:or|and)\s(?P<more>more|greater|above"
    r"|higher|over)\b|\s(?:or|and)\s(?P<less>less|fewer|below|lower|under)\b"
)
#: Last words of what the expressions for the text before a number look for.
_MEANINGFUL: Final = frozenset((
    "twice", "double", "triple", "thrice", "point",
    "not", "never", "nicht", "pas", "nunca", "ni", "be", "equal", "to", "exactly", "the", "a", "mehr", "gleich",
    "es", "sin", "cos", "tan", "cot", "sec", "csc", "log", "ln", "exp", "arcsin", "arccos", "arctan", "mod", "past",
    "viertel", "halb", "root", "sqrt", "pi", "spring", "summer", "fall", "autumn", "winter", "early", "late", "mid",
    "sommer", "printemps", "hiver", "at", "um", "tomorrow", "yesterday", "today", "mon", "tue", "wed", "thu", "fri",
    "sat", "sun", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "mo", "di", "mi",
    "do", "fr", "sa", "so", "montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag", "than",
    "over", "above", "exceeds", "als", "de", "under", "below", "unter", "least", "of", "mindestens", "moins",
    "menos", "most", "höchstens", "plus", "cannot", "non", "kein", "keine", "keinen", "keiner", "isn", "wasn", "up",
))  # fmt: skip
#: Between the last two numbers: the answer has both of them.
_LINK: Final = re.compile(
    r"\s*(?:[^\W\d_]{1,12}\s){0,1}(?:for|of|in|to|by|from|out\sof"
    r"|over|at|vs\.?|versus|or|oder|ou|bis|à|times|x|plus|minus"
    r"|divided\sby|more\sthan|less\sthan|to\sthe(?:\spower\sof)?"
    r"|in\severy|of\severy)\s(?:the\s|every\s|each\s)?[$€£(]?\s?"
    r"|\s*(?:[^\W\d_]{1,12}\s){0,3}(?:,\s?)?(?:and|or|und|oder|et|ou|y|o|e)\s(?:(?!(?:total"
    r"|sum|result|answer|thus|so|hence|then|therefore|that|this)\b)[^\W\d_]{1,12}\s){0,2}"
    r"(?:(?:has|have|had|is|are|gets?|costs?|hat|ist|a|est|tiene|es)\s|=\s?|:\s?)?[$€£(]?\s?"
    r"|,\s(?-i:[A-Z])\w{0,11}:?\s|[.;]\s(?!total|sum|result"
    r"|answer)(?-i:[A-Z])\w{0,11}:\s|\s\(?[a-z]{1,3}\)\s|\spoint\s|[.]\s"
    r"|\s|\s?(?:±|\+/-|~|\.{2,3}|…)\s?|[,;]\s?|\)\s?\(?|\)\s?,\s?\(|-|–",
    re.IGNORECASE,
)
_FAR: Final = 40
_LAST_DIGIT: Final = re.compile(r".*\d", re.DOTALL)
#: What may join two numbers to one answer.
_JOINING: Final = frozenset((
    "and", "or", "for", "of", "in", "to", "by", "from", "out", "over", "at", "vs", "vs.", "versus", "und", "oder",
    "et", "ou", "y", "o", "e", "bis", "a", "times", "x", "plus", "minus", "divided", "more", "less", "the", "+",
    "-", "*", "/", ".", "..",
))  # fmt: skip
_PUNCTUATION: Final = frozenset(",;:()")
_CHANGING_WORD: Final = re.compile(
    r" (?:squared|cubed|factorial|below|under|point|noon|midnight|binary|base|octal|hex|hexadecimal|times|plus|minus)\b"
)
_LISTING: Final = re.compile(r"(?:st|nd|rd|th)?\s?:\s?")
#: Between a day and a year: a month that is not known.
_MONTH: Final = re.compile(r"\s(?-i:[A-Z][^\W\d_]{2,11})\s")
_YEARS: Final = range(1000, 3000)


def alone(text: str, start: int, end: int) -> bool:
    """Whether nothing around a plain number can change its meaning: a quick check in place of `in_context`."""
    before, behind = text[max(0, start - _FAR) : start], text[end:]
    word = word_before(text, start)
    if not (before + behind).isascii() or word in _MEANINGFUL:
        return False
    operand = before[:-2].rstrip().rpartition(" ")[2] if word == "=" else ""
    is_result = operand[-1:].isdigit() and not operand[:1].isalpha()  # 6 * 7 = 42
    if not is_result and (digit := _LAST_DIGIT.match(before)) is not None:
        gap = before[digit.end() :].rstrip("$").split()
        if (
            not gap
            or not _JOINING.isdisjoint(gap)
            or not READ_BESIDE.isdisjoint(gap)
            or not _PUNCTUATION.isdisjoint(before)
        ):
            return False
    return not _CHANGING_WORD.match(behind) and not has_number(behind)


def in_context(text: str, found: list[Found]) -> Found:
    """The last of the quantities, with what its neighbourhood adds. Raises Unreadable where that is not understood."""
    final = found[-1]
    before, behind = text[max(0, final.start - _NEAR) : final.start], text[final.end : final.end + _NEAR]
    kind = final.quantity.kind
    word = word_before(text, final.start)
    if word is not None and word not in _MEANINGFUL:
        before = ""  # the usual case: no expression looks further than this word
    if not before and kind == "number" and _HARMLESS_BEHIND.match(behind):
        _check_gap(text, found)
        return final
    if kind == "number" and (_OPERATOR_BEFORE.search(before) or _OPERATOR_BEHIND.match(behind)):
        return _expression(text, final)
    if (
        (kind in ("number", "code", "ratio", "clock", "version"))
        and _CHANGED_BEHIND.match(behind)
        and not (kind == "number" and _ORDINAL.match(behind))
    ):
        raise Unreadable("the number is part of an expression that is not read")
    if _ORDINAL.match(behind) and _CENTURY.match(behind):
        raise Unreadable("a century that is not read")
    if behind[:1] == "!" and not before.strip():
        raise Unreadable("the number may be a factorial")
    if _NEGATION_BEFORE.search(before):
        raise Unreadable("the number is negated")
    if kind != "clock" and _FUNCTION_BEFORE.search(before):
        raise Unreadable("the number is part of an expression that is not read")
    if kind == "clock" and _WEEKDAY_BEFORE.search(before):
        raise Unreadable("a time with a day that is not read")
    if kind in ("number", "range") and _CODE_BEFORE.search(before):
        raise Unreadable("the number is part of a name")
    _check_gap(text, found)
    if kind == "number" and (bound := _bound(before, behind)):
        return Found(final.quantity._replace(bound=bound[0]), final.start, final.end + bound[1])
    return final


def _check_gap(text: str, found: list[Found]) -> None:
    """Raises Unreadable where what stands between the last two quantities joins them."""
    if len(found) > 1:
        gap = text[found[-2].end : found[-1].start]
        if len(gap) <= _FAR and _LINK.fullmatch(gap):
            raise Unreadable("several numbers in the answer")
        if len(found) > 3 and _LISTING.fullmatch(gap) and _LISTING.fullmatch(text[found[-4].end : found[-3].start]):
            raise Unreadable("several numbers in the answer")
        if _MONTH.fullmatch(gap) and found[-1].quantity.values[0] in _YEARS:
            raise Unreadable("a date that is not read")


def _expression(text: str, final: Found) -> Found:
    before = _EXPRESSION_BEFORE.search(text, max(0, final.start - 2 * 80), final.start)
    behind = _EXPRESSION_BEHIND.match(text, final.end)
    start, end = (before.start() if before else final.start), (behind.end() if behind else final.end)
    whole = text[start:end].strip(" ,")
    whole = whole.removesuffix(".")
    start, end = start + _spaces(text[start:end]), end - _spaces(text[start:end][::-1])
    if text[start : start + 1] in "+*×·⋅÷/⁄^-–−)" and text[:start].rstrip()[-1:].isalnum():
        raise Unreadable("the number is part of an expression that is not read")  # 3x + 2
    outside = text[max(0, start - 1) : start] + text[end : end + 1]
    if final.quantity.unit is None and _COMPUTED.search(whole) and not any(map(_continues, outside)):
        value = expressions.value(_balanced(whole))
        if value is not None:
            return Found(Quantity("number", (value,)), start, end)
    raise Unreadable("the number is part of an expression that is not read")


def _spaces(text: str) -> int:
    return len(text) - len(text.lstrip())


def _continues(character: str) -> bool:
    return character.isalnum() or character in "_|$€£%!°"


def _balanced(expression: str) -> str:
    """`expression` without a parenthesis that is closed or opened outside it."""
    if expression.count("(") > expression.count(")") and expression.startswith("("):
        return expression[1:]
    return expression.removesuffix(")") if expression.count(")") > expression.count("(") else expression


def _bound(before: str, behind: str) -> tuple[Bound, int] | None:
    if found := _BOUND_BEHIND.match(behind):
        return ("≤" if found["less"] else "≥"), found.end()
    if before.rstrip()[-1:].casefold() in _MAY_BOUND:
        for pattern, bound in _BOUNDS_BEFORE:
            if found := pattern.search(before):
                rest = before[: found.start()]
                if re.search(r"[<>≤≥]", rest) or re.search(r"\d\s?\Z", rest):
                    raise Unreadable("a chain of comparisons is not read")
                return bound, 0
    return None
