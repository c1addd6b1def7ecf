"""E-mail addresses, IBANs, payment cards and phone numbers in text."""

import re
from typing import Final

from shadow.redact.spans import continues, found, plain, replaced, shape, stands_apart

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
_SEVEN_DIGITS: Final = b"0" * 7
_CARD: Final = re.compile(
    r"[0-9]{4}(?P<by>[ .-]{0,3})"
    r"(?:[0-9]{4}(?P=by)[0-9]{4}(?P=by)[0-9]{4}(?:(?P=by)[0-9]{1,3})?|[0-9]{6}(?P=by)[0-9]{4,5})(?![0-9])"
)
_ISSUER: Final = re.compile(r"4|5[0-8]|6[0-9]|2[2-7]|3[04-9]")
_PHONE: Final = re.compile(
    r"\+ {0,2}[0-9][0-9 ()./-]{6,20}[0-9]"  # +49 170 1234567
    r"|00[1-9][0-9]{0,2}[ /-][0-9][0-9 ()/-]{5,15}[0-9]"  # 0049 30 1234567
    r"|\((?:[0-9]{3}|0[0-9]{2,4})\) ?[0-9]{3,4}[-. ]?[0-9]{3,6}"  # (415) 555-2671, (0171) 123 4567
    r"|(?:1[-. ])?[2-9][0-9]{2}(?P<by>[-.])[0-9]{3}(?P=by)[0-9]{4}"  # 415-555-2671
    r"|0[1-9](?:[ .][0-9]{2}){4}"  # 06 12 34 56 78
    r"|0[1-9][0-9]{1,4}[ /][0-9]{3,4} ?[0-9]{3,6}"  # 0171 1234567, 020 7946 0958
)
_CALLED_NUMBER: Final = re.compile(r"(?:\+ {0,2})?[0-9][0-9 ()./-]{5,17}[0-9]")
_CALLED_STEMS: Final = ("tel", "phone", "mobil", "handy", "fax", "cell", "whatsapp", "call")
_CALLED: Final = re.compile(
    r"(?:(?<![a-z])(?:tel|fax|cell|call|handy)|telephone|telefon|phone|mobile?|whatsapp)"
    r"(?:[\s.:#=_\"'-]{0,3}(?:numbers?|nummer|no|nr|is|ist|me|at|on|under)(?![a-z])){0,3}[\s.:#=\"'\\]{0,6}\Z",
    re.IGNORECASE,
)
_DATE: Final = re.compile(r"(?:[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4})(?![0-9])")
#: How far before a number its name may stand, as in `phone number: …`.
_LOOK_BACK: Final = 40
#: How an IBAN begins, in the shape of a text.
_IBAN_START: Final = b"AA00"
#: In front of a number, what may belong to it without being of it: `+`, and the rest of `%2B`.
_SIGNS: Final = 4
#: Behind a number, as much of the word it stands in as is looked at.
_LOOK_AHEAD: Final = 40
_WORD_BEFORE: Final = re.compile(r"[^\W_]*\Z")
_WORD_BEHIND: Final = re.compile(r"[^\W_]*")
_HEXADECIMAL: Final = re.compile(r"(?=.*[0-9])(?=.*[a-fA-F])[0-9a-fA-F]+\Z")


def _emails(text: str) -> str:
    if "@" in text:
        text = _emails_around(text, "@")
    if "%" in text:  # in an address of a page, where `@` is written so
        text = _emails_around(text, "%40")
    return text


def _emails_around(text: str, sign: str) -> str:
    spans: list[tuple[int, int, str]] = []
    done = 0
    at = text.find(sign)
    while at >= 0:
        local = _LOCAL_PART_REVERSED.match(text[max(done, at - 64) : at][::-1])
        domain = _DOMAIN.match(text, at + len(sign)) if local else None
        if local and domain:
            done = domain.end()
            spans.append((at - local.end(), done, "[email]"))
        at = text.find(sign, max(at + 1, done))
    return replaced(text, spans)


def _ibans(text: str, looked_at: str, outline: bytes) -> str:
    spans: list[tuple[int, int, str]] = []
    at = outline.find(_IBAN_START)
    while at >= 0:
        end = _iban_end(looked_at, at)
        if end is not None:
            spans.append((at, end, "[iban]"))
        at = outline.find(_IBAN_START, end or at + 1)
    return replaced(text, spans)


def _iban_end(text: str, at: int) -> int | None:
    """Where the IBAN ends that begins at `at`; None if none does."""
    length = _IBAN_LENGTHS.get(text[at : at + 2].upper())
    if length is None or (at and text[at - 1].isalnum()):
        return None
    end, symbols = at, ""
    while len(symbols) < length and end < len(text):
        if text[end] not in " -":
            symbols += text[end]
        elif text[end - 1] in " -":
            return None
        end += 1
    whole = len(symbols) == length and symbols.isascii() and symbols.isalnum() and not text[end : end + 1].isalnum()
    return end if whole and int("".join(str(int(c, 36)) for c in symbols[4:] + symbols[:4])) % 97 == 1 else None


def _numbers(text: str, looked_at: str, outline: bytes) -> str:
    """Card and phone numbers, looked for only where there are enough digits close together."""
    spans: list[tuple[int, int, str]] = []
    end = 0
    for run in _NUMBER_RUN.finditer(outline):
        digits = run[0].count(b"0")
        if digits < 7:
            continue
        first, end = max(end, run.start() - _SIGNS), run.end()
        begin = max(0, first - _LOOK_BACK)
        around = looked_at[begin : end + _LOOK_AHEAD]
        before = around[: run.start() - begin].lower()
        called = any(word in before for word in _CALLED_STEMS)
        for placeholder, pattern, accept, is_worth_it in (
            ("[card]", _CARD, _card_end, digits >= 14),
            ("[phone]", _PHONE, _phone_end, digits >= 9),
            ("[phone]", _CALLED_NUMBER, _called_end, called),
        ):
            if is_worth_it:
                taken = list(found(around, pattern, accept, first - begin, end - begin))
                spans += ((begin + start, begin + stop, placeholder) for start, stop in taken)
                # What is taken is not there for the next pattern, and the rest stays where it is.
                around = replaced(around, ((start, stop, "]" * (stop - start)) for start, stop in taken))
    return replaced(text, sorted(spans))


def _figures(text: str) -> str:
    """IBANs, cards and phones: whatever shows in the shape of a text, which is looked at once."""
    looked_at = plain(text)
    outline = shape(looked_at)
    if b"0" not in outline:
        return text
    if _IBAN_START in outline and (clean := _ibans(text, looked_at, outline)) != text:
        text, looked_at = clean, plain(clean)
        outline = shape(looked_at)
    # Years and amounts stand in many texts. Only seven digits with nothing but separators between
    # them can be a number, and that is asked in a tenth of the time in which they are looked for.
    return _numbers(text, looked_at, outline) if _SEVEN_DIGITS in outline.translate(None, b"-") else text


def _card_end(text: str, match: re.Match[str]) -> int | None:
    """Of a number with the beginning and the check digit of a card, whatever stands before it but digits."""
    at, end = match.span()
    if not _ISSUER.match(match[0]) or text[at - 1 : at].isdigit() or continues(text, at, "."):
        return None
    if _is_hexadecimal(text, at, end):
        return None
    return end if _luhn([int(c) for c in match[0] if c.isdigit()]) else None


def _is_hexadecimal(text: str, start: int, end: int) -> bool:
    """Whether the span is the middle of a checksum or the like, of which one in some hundred holds a card's digits."""
    before = _WORD_BEFORE.search(text, max(0, start - _LOOK_AHEAD), start)
    behind = _WORD_BEHIND.match(text, end)
    return bool(_HEXADECIMAL.match((before[0] if before else "") + (behind[0] if behind else "")))


def _luhn(digits: list[int]) -> bool:
    doubled = (d * 2 - 9 * (d > 4) for d in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _phone_end(text: str, match: re.Match[str]) -> int | None:
    """Of a number that is written as only phone numbers are."""
    enough = 9 <= _digits(match[0]) <= 15
    return match.end() if enough and stands_apart(text, match.start(), match.end()) else None


def _called_end(text: str, match: re.Match[str]) -> int | None:
    """Of a number that the words before it call a phone number."""
    at, end = match.span()
    if not 7 <= _digits(match[0]) <= 15 or _DATE.match(match[0]) or not stands_apart(text, at, end):
        return None
    return end if _CALLED.search(text[max(0, at - _LOOK_BACK) : at]) else None


def _digits(text: str) -> int:
    return sum(c.isdigit() for c in text)


RULES: Final = (_emails, _figures)
