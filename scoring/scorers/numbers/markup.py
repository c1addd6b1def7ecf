"""A line of a reply without what only dresses it: Markdown, HTML, LaTeX, footnotes, digits of other scripts."""

import html
import re
import sys
import unicodedata
from typing import Final

from scoring.scorers.numbers import latex

#: Digits of all scripts, and full-width or Arabic signs of numbers, as ASCII. Superscripts are no digits here.
_DIGITS: Final = {
    code: ord(str(digit))
    for code in range(0x660, sys.maxunicode)
    if (digit := unicodedata.decimal(chr(code), None)) is not None
} | {
    ord("٫"): ".", ord("٬"): ",", ord("％"): "%", ord("٪"): "%", ord("－"): "-", ord("＋"): "+", ord("．"): ".",
    ord("＝"): "=", ord("（"): "(", ord("）"): ")", ord("＜"): "<", ord("＞"): ">", ord("／"): "/", ord("＄"): "$",
    ord("："): ":", ord("\u2007"): "\u00a0", ord("\u2011"): "-", ord("\u2010"): "-",
    ord("\u200b"): None, ord("\ufeff"): None,
    ord("\u2060"): None, ord("\u200e"): None, ord("\u200f"): None,
}  # fmt: skip
_OTHER_DIGIT: Final = re.compile(
    r"[\u0660-\u0669\u06f0-\u06f9\u066a-\u066c\u07c0-\u07c9\u0966-\u096f\u09e6-\u09ef\u0a66-\u0a6f\u0ae6-\u0aef\u0b66-\u0b6f"
    r"\u0be6-\u0bef\u0c66-\u0c6f\u0ce6-\u0cef\u0d66-\u0d6f\u0e50-\u0e59\u0ed0-\u0ed9\u1040-\u1049\u17e0-\u17e9\uff04-\uff1e"
    r"\u2007\u2010\u2011\u200b\u200e\u200f\u2060\ufeff]"
)
_FULL_WIDTH_COMMA: Final = re.compile(r"(?<=\d)，(?=\d{3})")
_TURNED: Final = re.compile(r"(?:(?<![⁰¹²³⁴⁵⁶⁷⁸⁹₀-₉])([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4})[⁄/]([₀-₉]{1,4}|[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4}|\d{1,4}))")
_TO_ASCII: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")
_RAISED: Final = re.compile(r"(?<=[\w)])<sup>\s?([-+−]?\w{1,12})\s?</sup>", re.IGNORECASE)
_FOOTNOTE: Final = re.compile(r"\s*<sup>[^<>]{0,40}</sup>", re.IGNORECASE)
_TAGS: Final = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]{0,20}(?:\s[^<>]{0,80})?/?>|<\|[^<>|]{1,40}\|>")
_LINK: Final = re.compile(r"\]\(\s?(?:https?:|/|#)[^)\s]{0,300}\)|https?://[^\s)\]]{1,300}")
#: [1], [2, 3], [^4], [Smith 2020], 【5】 behind a word or number: a source, not an answer.
_CITATION: Final = re.compile(
    r"(?<=[\w.,;:!?)%\"'*²³])(?<!sqrt)(?:[ ]?\^?\[{1,2}(?:\^?\d{1,3}(?:\s?[,–-]\s?\d{1,3}){0,5}"
    r"|[^\W\d_][^\[\]]{0,60})\]{1,2}(?!\()|\s?【[^【】]{1,40}】)+"
)
_BOLD: Final = re.compile(r"(?<![\w)])\*{2,3}|\*{2,3}(?![\w(+−-])|`+|~~[^~\n]{0,200}~~")
_ITALIC: Final = re.compile(r"(?<![\w*)])\*(?=\S)([^*\n]{1,300}?)(?<=\S)\*(?![\w*(])")
_UNDERLINED: Final = re.compile(r"(?<!\w)(_{1,3})(?=[^\s_])([^\n]{1,300}?)(?<=[^\s_])\1(?!\w)")
_MATHS: Final = re.compile(r"\$(?=\S)([^$\n]{1,300}?)(?<=\S)\$(?![\d$])|\\[()\[\]]")
#: A dollar sign that may close mathematics: no number stands behind it.
_CLOSING: Final = re.compile(r"\$(?![\d$])")
_LOSS: Final = re.compile(r"([$€£])\s?\((\d[\d,.]{0,20})\)(?!\$)")


def plain(text: str) -> str:
    """`text` without markup, with LaTeX rewritten as plain text."""
    if not text.isascii():
        text = with_ascii_digits(text)
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAGS.sub(" ", _FOOTNOTE.sub("", _RAISED.sub(r"^\1", text)))
    if "]" in text or "】" in text or "://" in text:
        text = _CITATION.sub("", _LINK.sub(_unlinked, text))
    if "**" in text or "`" in text or "~~" in text:
        text = _BOLD.sub("", text)
    if "*" in text and text.count("*") > text.count("* "):  # a product has a space behind every one
        text = _ITALIC.sub(r"\1", text)
    if "_" in text:
        text = _UNDERLINED.sub(r"\2", text)
    if "$" in text:
        text = text.replace("!$", " factorial$")
        if _LOSS.search(text):
            text = _LOSS.sub(r"\1-\2", _LOSS.sub(r"\1-\2", text))
        if text.count("$") > 1:
            text = text.replace("$$", " ")
            if "\\" in text or _CLOSING.search(text):
                text = _MATHS.sub(r" \1 ", text)
    if "\\" in text:
        text = _MATHS.sub(" ", text) if "\\(" in text or "\\[" in text else text
    return latex.plain(text)


def with_ascii_digits(text: str) -> str:
    """`text` with the digits of all scripts as 0 to 9, and fractions such as ³⁄₄ as 3/4."""
    if _OTHER_DIGIT.search(text):
        text = text.translate(_DIGITS)
    if "，" in text:
        text = _FULL_WIDTH_COMMA.sub(",", text)
    if "⁄" in text or "/" in text:
        text = _TURNED.sub(lambda found: f"{found[1].translate(_TO_ASCII)}/{found[2].translate(_TO_ASCII)}", text)
    return text


def _unlinked(found: re.Match[str]) -> str:
    return "]" if found[0].startswith("]") else ""
