"""Phone numbers in text: by their notation, or by a word before them."""

import re
from typing import Final

from shadow.redact.spans import is_delimited

PHONE_NUMBER: Final = re.compile(
    r"\+ {0,2}\(?[0-9][0-9 ()./-]{6,20}[0-9]"  # +49 170 1234567
    r"|00[1-9][0-9]{0,2}[ /-][0-9][0-9 ()/-]{5,15}[0-9]"  # 0049 30 1234567
    r"|\((?:[0-9]{3}|0[0-9]{2,4})\) ?[0-9]{3,4}[-. ]?[0-9]{3,6}"  # (415) 555-2671, (0171) 123 4567
    r"|\([1-9][0-9]\) ?9?[0-9]{4}-[0-9]{4}"  # (11) 98765-4321
    r"|(?:1[-. ])?[2-9][0-9]{2}(?P<by>[-.])[0-9]{3}(?P=by)[0-9]{4}"  # 415-555-2671
    r"|0[1-9](?:(?P<pair>[ .-])[0-9]{2})(?:(?P=pair)[0-9]{2}){3}"  # 06 12 34 56 78
    r"|0[1-9][0-9]?-[0-9]{4}-[0-9]{4}"  # 03-1234-5678
    r"|0[1-9][0-9]{1,4}[ /][0-9]{3,4} ?[0-9]{3,6}"  # 0171 1234567, 020 7946 0958
)
ANNOUNCED_NUMBER: Final = re.compile(r"(?:\+ {0,2}\(?|\()?[0-9][0-9 ()./-]{5,17}[0-9]")
#: One of these is in every text that `_WORD_BEFORE` matches.
_WORDS: Final = (
    "tel", "tél", "tlf", "phone", "mobil", "móvil", "movil", "handy", "fax", "cell", "celular", "whatsapp", "sms",
    "gsm",
    "call", "ring ", "dial", "reach me", "text me", "rufnummer", "ruf ", "rufen", "portable", "appele", "llam", "llám",
    "ph:", "ph.", "chiam",
    "ligue", "puhelin", "zadzwoń", "cep", "тел", "моб", "звон", "电话", "電話", "手机", "手機", "携帯", "전화",
    "휴대", "هاتف", "جوال", "تليفون", "फ़ोन", "फोन", "मोबाइल", "โทร", "טלפון", "τηλ", "κινητό",
)  # fmt: skip
_WORD_BEFORE: Final = re.compile(
    r"(?:(?<!\w)(?:tel|tél|tlf|tfno|fax|cell|cel|call|ring|dial|handy(?:nummer)?|ph(?=[.:])|gsm|sms|ruf|cep|puh"
    r"|ligue|моб|тел)"
    r"|tele(?:phone|fone|fon\w{0,6}|foon\w{0,6})|tel[eé]fono|téléphone|puhelin\w{0,6}|phone|mobile?|mobil\w{1,12}"
    r"|m[oó]vil|celular|cellulare|cellphone|handyn\w{1,5}|whatsapp|rufnummer|portable|rufen sie"
    r"|appelez?(?:[ -]moi)?|ll[aá]m\w{1,7}"
    r"|chiam\w{1,6}|zadzwoń|(?:reach|text) (?:me|us)|телефон\w{0,3}|мобильн\w{1,4}|(?:по)?звон\w{1,6}"
    r"|电话|電話|手机|手機|携帯|전화|휴대폰|휴대전화|هاتف|الهاتف|جوال|تليفون|फ़ोन|फोन|मोबाइल|โทร(?:ศัพท์)?|טלפון|τηλ(?:έφωνο)?|κινητό)"
    r"(?:[\s.:：#=_\"'-]{0,3}(?:\(\w{1,12}\)|(?:numbers?|nummer|numer[oy]?|número|numéro|num|núm|no|nr|nº|n°|is|ist|lautet|are|es"
    r"|est|è|é|at|on|under|unter|me|mich|us|uns|al|au|a|my|mein|mi|номер|нашему|по|رقم|नंबर|है)(?!\w)|号码?|番号|번호|는|은|は|是|为)){0,4}"
    r"[\s.:：#=\"'\\]{0,6}\Z",
    re.IGNORECASE,
)
#: What nearly all texts before a number do not end in, so that the list of words need not be searched: a word for a
#: phone, or one that may stand between it and the number.
_ENDS: Final = (
    "tel", "tlf", "tfno", "fax", "cel", "cell", "call", "ring", "dial", "handy", "gsm", "sms", "ruf", "cep", "puh",
    "ligue", ")", "ph", "phone", "fone", "mobil", "mobile", "movil", "celular", "cellulare", "whatsapp", "portable",
    "rufen sie",
    "appelez", "appele", "moi", "nummer", "number", "numbers", "numery", "numero", "num", "no", "nr", "is", "ist",
    "lautet", "are", "es", "est", "at", "on", "under", "unter", "me", "mich", "us", "uns", "al", "au", "a", "my",
    "mein", "mi",
)  # fmt: skip
_INFLECTED: Final = ("telef", "mobil", "llam", "chiam", "puhelin", "handyn")
_BETWEEN: Final = " .:#=_\"'\\-\t\n\r"
_TAIL: Final = 30
_ASCII_WORDS: Final = tuple(word for word in _WORDS if word.isascii())
_DATE: Final = re.compile(r"(?:[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4})(?![0-9])")
#: Latitude or longitude with a sign, also both together as in ISO 6709.
_COORDINATE: Final = re.compile(r"\+ ?[0-9]{1,3}\.[0-9]{1,8}(?:[+-][0-9]{1,3}\.[0-9]+/?)?\Z")
_LOOK_BACK: Final = 48


def is_announced(before: str) -> bool:
    """Whether a word such as `phone` may stand in `before`, the text before a number."""
    tail = before[-_TAIL:].rstrip(_BETWEEN).lower()
    if tail.isascii() and not tail.endswith(_ENDS):
        for part in _INFLECTED:
            if part in tail:
                break
        else:
            return False
    before = before.lower()
    for word in _ASCII_WORDS if before.isascii() else _WORDS:  # noqa: SIM110 - in a loop it takes half the time
        if word in before:
            return True
    return False


def phone_end(text: str, match: re.Match[str]) -> int | None:
    """The end of a number in a notation that only phone numbers have."""
    at, end = match.span()
    enough = 9 <= _digits(match[0]) <= 15
    return end if enough and is_delimited(text, at, end) and not _COORDINATE.match(match[0]) else None


def announced_phone_end(text: str, match: re.Match[str]) -> int | None:
    """The end of a number that follows a word such as `phone`."""
    at, end = match.span()
    if not 7 <= _digits(match[0]) <= 15 or _DATE.match(match[0]) or not is_delimited(text, at, end):
        return None
    return end if _WORD_BEFORE.search(text[max(0, at - _LOOK_BACK) : at]) else None


def _digits(text: str) -> int:
    return sum(c.isdigit() for c in text)
