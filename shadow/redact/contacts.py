"""E-mail addresses, IBANs, payment cards and phone numbers in text."""

import re
from typing import Final

from shadow.redact.placeholders import CARD, EMAIL, IBAN, PHONE
from shadow.redact.spans import (
    accepted_spans,
    character_classes,
    follows_digit_and,
    is_delimited,
    normalize_separators,
    replace_spans,
)

#: Length of an IBAN by country code.
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

#: In the character classes of a text: a digit, then at least six more digits or separators.
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
_ANNOUNCED_NUMBER: Final = re.compile(r"(?:\+ {0,2})?[0-9][0-9 ()./-]{5,17}[0-9]")
_PHONE_WORDS: Final = ("tel", "phone", "mobil", "handy", "fax", "cell", "whatsapp", "call")
_PHONE_WORD_BEFORE: Final = re.compile(
    r"(?:(?<![a-z])(?:tel|fax|cell|call|handy)|telephone|telefon|phone|mobile?|whatsapp)"
    r"(?:[\s.:#=_\"'-]{0,3}(?:numbers?|nummer|no|nr|is|ist|me|at|on|under)(?![a-z])){0,3}[\s.:#=\"'\\]{0,6}\Z",
    re.IGNORECASE,
)
_DATE: Final = re.compile(r"(?:[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4})(?![0-9])")
#: Characters before a number that are searched for a word such as `phone number:`.
_LOOK_BACK: Final = 40
#: The beginning of an IBAN, in the character classes of a text.
_IBAN_START: Final = b"AA00"
#: Characters before the first digit that a match may include: `+`, also when written as `%2B`.
_PREFIX_LENGTH: Final = 4
#: Characters around a number that are examined for the rest of the word that contains it.
_LOOK_AHEAD: Final = 40
_WORD_BEFORE: Final = re.compile(r"[^\W_]*\Z")
_WORD_AFTER: Final = re.compile(r"[^\W_]*")
_HEXADECIMAL: Final = re.compile(r"(?=.*[0-9])(?=.*[a-fA-F])[0-9a-fA-F]+\Z")


def _emails(text: str) -> str:
    if "@" in text:
        text = _emails_around(text, "@")
    if "%" in text:  # URLs encode `@` as `%40`
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
            spans.append((at - local.end(), done, EMAIL))
        at = text.find(sign, max(at + 1, done))
    return replace_spans(text, spans)


def _ibans(text: str, normalized: str, classes: bytes) -> str:
    spans: list[tuple[int, int, str]] = []
    at = classes.find(_IBAN_START)
    while at >= 0:
        end = _iban_end(normalized, at)
        if end is not None:
            spans.append((at, end, IBAN))
        at = classes.find(_IBAN_START, end or at + 1)
    return replace_spans(text, spans)


def _iban_end(text: str, at: int) -> int | None:
    """The end of the IBAN that begins at `at`, or None if there is none."""
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


def _cards_and_phones(text: str, normalized: str, classes: bytes) -> str:
    """Replace card and phone numbers. Only runs of enough digits are searched."""
    spans: list[tuple[int, int, str]] = []
    end = 0
    for run in _NUMBER_RUN.finditer(classes):
        digits = run[0].count(b"0")
        if digits < 7:
            continue
        first, end = max(end, run.start() - _PREFIX_LENGTH), run.end()
        begin = max(0, first - _LOOK_BACK)
        context = normalized[begin : end + _LOOK_AHEAD]
        before = context[: run.start() - begin].lower()
        announced = any(word in before for word in _PHONE_WORDS)
        for placeholder, pattern, accept, possible in (
            (CARD, _CARD, _card_end, digits >= 14),
            (PHONE, _PHONE, _phone_end, digits >= 9),
            (PHONE, _ANNOUNCED_NUMBER, _announced_phone_end, announced),
        ):
            if possible:
                accepted = list(accepted_spans(context, pattern, accept, first - begin, end - begin))
                spans += ((begin + start, begin + stop, placeholder) for start, stop in accepted)
                # Mask the matches, so that the next pattern does not see them. All positions stay the same.
                context = replace_spans(context, ((start, stop, "]" * (stop - start)) for start, stop in accepted))
    return replace_spans(text, sorted(spans))


def _ibans_and_numbers(text: str) -> str:
    """Replace IBANs, card and phone numbers, which share one computation of the text's character classes."""
    normalized = normalize_separators(text)
    classes = character_classes(normalized)
    if b"0" not in classes:
        return text
    if _IBAN_START in classes and (clean := _ibans(text, normalized, classes)) != text:
        text, normalized = clean, normalize_separators(clean)
        classes = character_classes(normalized)
    # Many texts contain years and amounts. A card or phone number needs seven digits with only
    # separators between them, and testing for that takes a tenth of the time of the search.
    return _cards_and_phones(text, normalized, classes) if _SEVEN_DIGITS in classes.translate(None, b"-") else text


def _card_end(text: str, match: re.Match[str]) -> int | None:
    """The end of a card number: an issuer's prefix and a valid check digit, with no digits directly before it."""
    at, end = match.span()
    if not _ISSUER.match(match[0]) or text[at - 1 : at].isdigit() or follows_digit_and(text, at, "."):
        return None
    if _is_hexadecimal(text, at, end):
        return None
    return end if _luhn([int(c) for c in match[0] if c.isdigit()]) else None


def _is_hexadecimal(text: str, start: int, end: int) -> bool:
    """Whether the span lies inside a hexadecimal word: one checksum in some hundred contains a valid card number."""
    before = _WORD_BEFORE.search(text, max(0, start - _LOOK_AHEAD), start)
    after = _WORD_AFTER.match(text, end)
    return bool(_HEXADECIMAL.match((before[0] if before else "") + (after[0] if after else "")))


def _luhn(digits: list[int]) -> bool:
    doubled = (d * 2 - 9 * (d > 4) for d in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _phone_end(text: str, match: re.Match[str]) -> int | None:
    """The end of a number in a notation that only phone numbers have."""
    enough = 9 <= _digits(match[0]) <= 15
    return match.end() if enough and is_delimited(text, match.start(), match.end()) else None


def _announced_phone_end(text: str, match: re.Match[str]) -> int | None:
    """The end of a number that follows a word such as `phone`."""
    at, end = match.span()
    if not 7 <= _digits(match[0]) <= 15 or _DATE.match(match[0]) or not is_delimited(text, at, end):
        return None
    return end if _PHONE_WORD_BEFORE.search(text[max(0, at - _LOOK_BACK) : at]) else None


def _digits(text: str) -> int:
    return sum(c.isdigit() for c in text)


RULES: Final = (_emails, _ibans_and_numbers)
