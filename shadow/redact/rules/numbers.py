"""Payment cards and phone numbers in text, and IBANs, which share one search for numbers.

A card number has an issuer's prefix, a length that this issuer uses, groups of its usual size, and a
valid check digit. A phone number has a notation that nothing else has, or follows a word such as `phone`.
"""

import re
from typing import Final

from shadow.redact.keys import names_other_number
from shadow.redact.placeholders import CARD, PHONE
from shadow.redact.rules.ibans import COMPACT_START, LIKE_IBAN, iban_spans
from shadow.redact.rules.phones import ANNOUNCED_NUMBER, PHONE_NUMBER, announced_phone_end, is_announced, phone_end
from shadow.redact.spans import (
    Span,
    accepted_spans,
    character_classes,
    follows_digit_and,
    replace_spans,
    unescape_separators,
)

#: In the character classes of a text: a digit, then at least six more digits or separators.
_NUMBER_RUN: Final = re.compile(rb"0[0-]{6,}")
#: Most of the runs of eight digits. Nothing else is in them.
_DATE: Final = re.compile(
    r"(?:20|19)[0-9]{2}[./-][0-9]{2}[./-][0-9]{2}(?![0-9])|[0-9]{2}[./-][0-9]{2}[./-](?:20|19)[0-9]{2}(?![0-9])"
)
_SEPARATOR: Final = ord("-")
#: All IBANs have so many digits without a letter between them.
_TEN_DIGITS: Final = b"0" * 10
_SEVEN_DIGITS: Final = b"0" * 7
_CARD: Final = re.compile(
    r"[0-9]{4}(?:(?P<by>[./_])|[ \t-]{0,3})"
    r"(?:[0-9]{4}(?:(?P=by)|[ \t-]{0,3})[0-9]{4}(?:(?P=by)|[ \t-]{0,3})[0-9]{4}(?:(?:(?P=by)|[ \t-]{0,3})[0-9]{1,3})?"
    r"|[0-9]{6}(?:(?P=by)|[ \t-]{0,3})[0-9]{4,5})(?![0-9])"
    r"|(?<![0-9][ .\t-])(?<![0-9])[0-9](?:[ .\t-]{1,3}[0-9]){13,18}(?![ .\t-]{0,2}[0-9])"
)
#: Issuers, by prefix and length.
_ISSUED: Final = {
    14: re.compile(r"3(?:0[0-5]|[689])"),  # Diners
    15: re.compile(r"3[47]"),  # American Express
    16: re.compile(
        r"4|5[0-8]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|220[0-4]"  # Visa, Mastercard, Maestro, Mir
        r"|6|35(?:2[89]|[3-8])|3(?:0[0-5]|[689])|8[12]|9792"  # Discover, UnionPay, JCB, Diners, RuPay, Troy
    ),
}
_ISSUED_LONG: Final = re.compile(r"4|5[0678]|6|220[0-4]")
#: Characters before the first digit that a match may include: `+`, also when written as `%2B`.
_PREFIX_LENGTH: Final = 4
#: Characters before a number that are searched for a word such as `phone number:` or `order`.
_LOOK_BACK: Final = 48
#: Characters around a number that are examined for the rest of the word that contains it.
_LOOK_AHEAD: Final = 40
_WORD_BEFORE: Final = re.compile(r"[^\W_]*\Z")
_WORD_AFTER: Final = re.compile(r"[^\W_]*")
_HEXADECIMAL: Final = re.compile(r"(?=.*[0-9])(?=.*[a-fA-F])[0-9a-fA-F]+\Z")
_MONEY: Final = (
    r"EUR|USD|GBP|CHF|JPY|CNY|INR|RUB|BRL|PLN|SEK|NOK|DKK|CZK|HUF|KRW|IDR|VND|IRR|cents?|wei|satoshis?|euros?|dollars?"
)
_AMOUNT_BEFORE: Final = re.compile(
    rf"(?:[$€£¥₹₽₩]|\b(?:{_MONEY}|Rp|amounts?|betrag|importe|montant|importo|total|sum|balance|price|cost)(?:\s(?:of|is|von|de))?[\s:=\"']{{0,3}})\s?\Z",
    re.IGNORECASE,
)
_AMOUNT_AFTER: Final = re.compile(
    rf"[.,][0-9]{{1,2}}(?![0-9/])|\s?(?:[€£¥₹₽₩%]|(?:{_MONEY}|bytes?|ms|ns|µs|us)\b)", re.IGNORECASE
)
#: Numbers of orders and the like: one in ten has the check digit of a card.
_ANOTHER_NUMBER_BEFORE: Final = re.compile(
    r"\b(?:order|invoice|tracking|shipment|parcel|ticket|imei|serial|booking|transaction|request|session|build|timestamp"
    r"|bestell(?:ung|nummer)?|auftrag(?:snummer)?|rechnung(?:snummer)?|sendung(?:snummer)?|pedido|factura|commande|facture"
    r"|ordine|fattura|isbn|ean|gtin|sku|upc)"
    r"(?:[ _-]?(?:number|no|nr|id|num|code|n°|nº))?\.?[\s:=#\"']{0,4}\Z",
    re.IGNORECASE,
)

_JSON_KEY_BEFORE: Final = re.compile(r"""["'](?P<key>[\w-]{1,40})\\{0,3}["']\s{0,3}:\s{0,3}(?:\\{0,3}["'])?\Z""")


def number_spans(text: str, _: bytes) -> list[Span]:
    """The spans of IBANs, card and phone numbers, in this order of precedence."""
    normalized = unescape_separators(text)
    classes = character_classes(normalized)
    if b"0" not in classes:
        return []
    # Many texts contain years and amounts. A card or phone number needs seven digits with only
    # separators between them, and testing for that takes a tenth of the time of the search.
    compact = classes.translate(None, b"-")
    long_number = _SEVEN_DIGITS in compact
    spaced = _TEN_DIGITS in compact and LIKE_IBAN.search(compact) is not None
    ibans = iban_spans(normalized, classes, spaced=spaced) if spaced or COMPACT_START in classes else []
    if not long_number:
        return ibans
    if ibans:
        normalized = _masked(normalized, ibans)
        classes = character_classes(normalized)
    return sorted([*ibans, *card_and_phone_spans(normalized, classes)])


def card_and_phone_spans(text: str, classes: bytes) -> list[Span]:
    """The spans of card and phone numbers. Only runs of enough digits are searched."""
    spans: list[Span] = []
    end = 0
    for run in _NUMBER_RUN.finditer(classes):
        symbols = run[0]
        digits = symbols.count(b"0")
        if digits < 7:
            continue
        if digits == 8 and (symbols[4] == _SEPARATOR or symbols[2] == _SEPARATOR) and _DATE.match(text, run.start()):
            continue
        first, end = max(end, run.start() - _PREFIX_LENGTH), run.end()
        begin = max(0, first - _LOOK_BACK)
        announced = is_announced(text[begin : run.start()])
        if digits < 9 and not announced:
            continue
        context = text[begin : end + _LOOK_AHEAD]
        for placeholder, pattern, accept, possible in (
            (CARD, _CARD, _card_end, digits >= 14),
            (PHONE, PHONE_NUMBER, phone_end, digits >= 9),
            (PHONE, ANNOUNCED_NUMBER, announced_phone_end, announced),
        ):
            if possible:
                accepted = list(accepted_spans(context, pattern, accept, first - begin, end - begin))
                found = [(start, stop, placeholder) for start, stop in accepted]
                spans += ((begin + start, begin + stop, placeholder) for start, stop, _ in found)
                context = _masked(context, found)
    return sorted(spans)


def _masked(text: str, spans: list[Span]) -> str:
    """`text` without what was found, so that the next pattern does not see it. All positions stay the same."""
    return replace_spans(text, ((start, stop, "]" * (stop - start)) for start, stop, _ in spans))


def _card_end(text: str, match: re.Match[str]) -> int | None:
    """The end of a card number; None if the match is none."""
    at, end = match.span()
    if text[at - 1 : at].isdigit() or follows_digit_and(text, at, ".") or _is_hexadecimal(text, at, end):
        return None
    digits = "".join(c for c in match[0] if c.isdigit())
    issued = _ISSUED_LONG if len(digits) > 16 else _ISSUED[len(digits)]
    if not issued.match(digits) or not _luhn([int(c) for c in digits]) or len(set(digits)) == 1:
        return None
    if len(digits) == end - at and _is_another_number(text, at, end):
        return None
    return end


def _is_another_number(text: str, at: int, end: int) -> bool:
    """Whether the text around digits without groups says that they are an amount or the number of something else."""
    before = text[max(0, at - _LOOK_BACK) : at]
    key = _JSON_KEY_BEFORE.search(before)
    return bool(
        (key and names_other_number(key["key"]))
        or _AMOUNT_BEFORE.search(before)
        or _ANOTHER_NUMBER_BEFORE.search(before)
        or _AMOUNT_AFTER.match(text, end)
    )


def _is_hexadecimal(text: str, start: int, end: int) -> bool:
    """Whether the span lies inside a hexadecimal word: one checksum in some hundred contains a valid card number."""
    before = _WORD_BEFORE.search(text, max(0, start - _LOOK_AHEAD), start)
    after = _WORD_AFTER.match(text, end)
    return bool(_HEXADECIMAL.match((before[0] if before else "") + (after[0] if after else "")))


def _luhn(digits: list[int]) -> bool:
    doubled = (d * 2 - 9 * (d > 4) for d in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
