"""E-mail addresses, IBANs, payment cards and phone numbers in text."""

import re
from typing import Final

from shadow.redact.spans import replace, shape, stands_apart

#: Lengths of the IBANs of each country that has them.
_IBAN_LENGTHS: Final = {
    code: length
    for length, codes in {
        15: "NO", 16: "BE", 18: "DK FO FI GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "PT", 26: "IS TR", 27: "FR GR IT MC MR SM", 28: "AL AZ CY DO GT HU LB PL", 29: "BR PS QA UA",
        30: "JO KW MU", 31: "MT SC",
    }.items()
    for code in codes.split()
}  # fmt: skip

_LOCAL_PART_REVERSED: Final = re.compile(r"[\w.%+-]++")
_DOMAIN: Final = re.compile(r"(?:\w[\w-]{0,62}\.){1,8}[^\W\d_]{2,24}")

#: In the shape of a text: a digit, and at least six more digits or separators.
_NUMBER_RUN: Final = re.compile(rb"0[0-]{6,}")
_CARD: Final = re.compile(
    r"[0-9]{4}(?P<by>[ -]?)"
    r"(?:[0-9]{4}(?P=by)[0-9]{4}(?P=by)[0-9]{4}(?:(?P=by)[0-9]{1,3})?|[0-9]{6}(?P=by)[0-9]{4,5})(?![0-9])"
)
_ISSUER: Final = re.compile(r"4|5[0-8]|6[0-9]|2[2-7]|3[04-9]")
_PHONE: Final = re.compile(
    r"\+[0-9][0-9 ()./-]{6,20}[0-9]"  # +49 170 1234567
    r"|00[1-9][0-9]{0,2}[ /-][0-9][0-9 ()/-]{5,15}[0-9]"  # 0049 30 1234567
    r"|\((?:[0-9]{3}|0[0-9]{2,4})\) ?[0-9]{3,4}[-. ]?[0-9]{3,6}"  # (415) 555-2671, (0171) 123 4567
    r"|(?:1[-. ])?[2-9][0-9]{2}(?P<by>[-.])[0-9]{3}(?P=by)[0-9]{4}"  # 415-555-2671
    r"|0[1-9](?:[ .][0-9]{2}){4}"  # 06 12 34 56 78
    r"|0[1-9][0-9]{1,4}[ /][0-9]{3,4} ?[0-9]{3,6}"  # 0171 1234567, 020 7946 0958
)
_CALLED_NUMBER: Final = re.compile(r"[0-9][0-9 ()./-]{5,17}[0-9]")
_CALLED_STEMS: Final = ("tel", "phone", "mobil", "handy", "fax", "cell", "whatsapp", "call")
_CALLED: Final = re.compile(
    r"(?:tel|telephone|telefon|phone|mobile|mobil|handy|fax|cell|whatsapp|call)\b"
    r"(?:[\s.:#]{1,3}(?:number|nummer|no|nr|is|ist|me|at|on|under)\b){0,3}[\s.:#]{0,3}\Z",
    re.IGNORECASE,
)
_DATE: Final = re.compile(r"(?:[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4})(?![0-9])")
#: How far before a number its name may stand, as in `phone number: …`.
_LOOK_BACK: Final = 40
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}(?=[ A-Z0-9]{11})")


def _emails(text: str) -> str:
    out: list[str] = []
    done = 0
    at = text.find("@")
    while at >= 0:
        local = _LOCAL_PART_REVERSED.match(text[max(done, at - 64) : at][::-1])
        domain = _DOMAIN.match(text, at + 1) if local else None
        if local and domain:
            out += (text[done : at - local.end()], "[email]")
            done = domain.end()
        at = text.find("@", max(at + 1, done))
    return "".join([*out, text[done:]]) if out else text


def _ibans(text: str) -> str:
    def accept(text: str, match: re.Match[str]) -> int | None:
        length, at = _IBAN_LENGTHS.get(match[0][:2]), match.start()
        if length is None or (at and text[at - 1].isalnum()):
            return None
        end, symbols = at, ""
        while len(symbols) < length and end < len(text) and (text[end].isalnum() or text[end] == " "):
            symbols += text[end].strip()
            end += 1
        whole = len(symbols) == length and symbols.isascii() and not text[end : end + 1].isalnum()
        return end if whole and int("".join(str(int(c, 36)) for c in symbols[4:] + symbols[:4])) % 97 == 1 else None

    return replace(text, _IBAN, "[iban]", accept)


def _numbers(text: str, outline: bytes) -> str:
    """Card and phone numbers, looked for only where there are enough digits close together."""
    out: list[str] = []
    done = 0
    for run in _NUMBER_RUN.finditer(outline):
        digits = run[0].count(b"0")
        if digits < 7:
            continue
        first = run.start()
        while first > done and text[first - 1] in "(+":
            first -= 1
        begin = max(done, first - _LOOK_BACK)
        around, start = text[begin : run.end() + 1], first - begin
        before = around[:start].lower()
        clean = _cards(around, start) if digits >= 14 else around
        clean = _phones(clean, start) if digits >= 9 else clean
        clean = _called_phones(clean, start) if any(stem in before for stem in _CALLED_STEMS) else clean
        if clean != around:
            out += (text[done:begin], clean)
            done = run.end() + 1
    return "".join([*out, text[done:]]) if out else text


def _figures(text: str) -> str:
    """IBANs, cards and phones: whatever shows in the shape of a text, which is looked at once."""
    outline = shape(text)
    if b"AA00" in outline and (clean := _ibans(text)) != text:
        text, outline = clean, shape(clean)
    return _numbers(text, outline)


def _cards(text: str, start: int) -> str:
    def accept(text: str, match: re.Match[str]) -> int | None:
        if not _ISSUER.match(match[0]) or not stands_apart(text, match.start(), match.end()):
            return None
        return match.end() if _luhn([int(c) for c in match[0] if c not in " -"]) else None

    return replace(text, _CARD, "[card]", accept, start)


def _luhn(digits: list[int]) -> bool:
    doubled = (d * 2 - 9 * (d > 4) for d in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _phones(text: str, start: int) -> str:
    """Numbers that are written as only phone numbers are."""

    def accept(text: str, match: re.Match[str]) -> int | None:
        enough = 9 <= _digits(match[0]) <= 15
        return match.end() if enough and stands_apart(text, match.start(), match.end()) else None

    return replace(text, _PHONE, "[phone]", accept, start)


def _called_phones(text: str, start: int) -> str:
    """Numbers that the words before them call a phone number."""

    def accept(text: str, match: re.Match[str]) -> int | None:
        plain = 7 <= _digits(match[0]) <= 15 and not _DATE.match(match[0])
        if not plain or not stands_apart(text, match.start(), match.end()):
            return None
        return match.end() if _CALLED.search(text[max(0, match.start() - _LOOK_BACK) : match.start()]) else None

    return replace(text, _CALLED_NUMBER, "[phone]", accept, start)


def _digits(text: str) -> int:
    return sum(c.isdigit() for c in text)


RULES: Final = (_emails, _figures)
