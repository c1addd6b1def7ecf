"""IBANs in text, by the length of their country and their check digits."""

import re
from typing import Final

from shadow.redact.placeholders import IBAN
from shadow.redact.spans import Span, continues_word

#: Length of an IBAN by country code.
_LENGTHS: Final = {
    code: length
    for length, codes in {
        15: "NO", 16: "BE", 18: "DK FK FO FI GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for code in codes.split()
}  # fmt: skip

#: The beginning of an IBAN in the character classes of a text: together, or with gaps.
COMPACT_START: Final = b"AA00"
#: An IBAN without its gaps: all have so many digits in a row, at the latest after the code of the bank.
LIKE_IBAN: Final = re.compile(rb"AA00[0A]{0,8}0{8}")
#: Two digits after a letter, and eight more soon after. It begins with one fixed byte, for which the regex engine
#: searches at the speed of a memory scan.
_CHECK_DIGITS: Final = re.compile(rb"0(?:(?<=A0)|(?<=A-0)|(?<=A--0)|(?<=A---0))-{0,3}0(?=(?:[A-]{0,12}0){8})")
_COUNTRY_BEFORE: Final = re.compile(rb"A-{0,3}A-{0,3}\Z")
_GAP: Final = " -./_\t"
_LONGEST_GAP: Final = 3
#: A country code with its gaps.
_LONGEST_COUNTRY: Final = 2 + 2 * _LONGEST_GAP


def iban_spans(text: str, classes: bytes, *, spaced: bool) -> list[Span]:
    """The spans of IBANs in a text with these character classes. `spaced`: search for gaps in their first four, too."""
    spans: list[Span] = []
    done = 0
    for at in _starts(classes, spaced=spaced):
        if at >= done and (end := _end(text, at)) is not None:
            spans.append((at, end, IBAN))
            done = end
    return spans


def _starts(classes: bytes, *, spaced: bool) -> list[int]:
    if spaced:
        starts: list[int] = []
        for digits in _CHECK_DIGITS.finditer(classes):
            first = max(0, digits.start() - _LONGEST_COUNTRY)
            country = _COUNTRY_BEFORE.search(classes[first : digits.start()])
            if country:
                starts.append(first + country.start())
        return starts
    starts = []
    at = classes.find(COMPACT_START)
    while at >= 0:
        starts.append(at)
        at = classes.find(COMPACT_START, at + 1)
    return starts


def _end(text: str, at: int) -> int | None:
    """The end of the IBAN that begins at `at`, or None if there is none."""
    if at and continues_word(text[at - 1]) and text[max(0, at - 4) : at].upper() != "IBAN":
        return None
    symbols, end, gap = "", at, 0
    length = 4
    while len(symbols) < length:
        c = text[end : end + 1]
        if c.isascii() and c.isalnum():
            symbols += c
            gap = 0
        elif c and c in _GAP and gap < _LONGEST_GAP:
            gap += 1
        else:
            return None
        if len(symbols) == 2 and length == 4:
            known = _LENGTHS.get(symbols.upper())
            if known is None:
                return None
            length = known
        end += 1
    if continues_word(text[end : end + 1]) or not symbols[2:4].isdigit():
        return None
    return end if int("".join(str(int(c, 36)) for c in symbols[4:] + symbols[:4])) % 97 == 1 else None
