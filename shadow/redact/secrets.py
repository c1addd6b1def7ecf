"""Tokens, passwords and private keys in text."""

import re
from base64 import b64decode
from typing import Final

from shadow.redact.placeholders import SECRET
from shadow.redact.spans import replace_matches, replace_spans, to_latin1
from shadow.redact.tokens import replace_tokens

_BEARER: Final = re.compile(r"\bbearer[ \t]{1,4}(?P<value>[\w.~+/=-]{8,}+)", re.IGNORECASE | re.ASCII)
_BASIC: Final = re.compile(
    r"\bbasic[ \t]{1,4}(?P<value>[A-Z0-9+/]{6,1000}+={0,2})(?![\w+/=])", re.IGNORECASE | re.ASCII
)

#: Patterns for names of secrets, by a word that each name contains. The text is searched for the word
#: first, and matched against the pattern only where the word occurs: few texts contain any.
_NAMES: Final = {
    word: re.compile(pattern, re.IGNORECASE)
    for word, pattern in {
        b"pass": r"passw(?:or)?d|passphrase|passcode",
        b"pwd": r"pwd",
        b"secret": r"secret(?:[_-]?key)?",
        b"key": "|".join(rf"(?<={of})key|(?<={of}[ _-])key" for of in ("api", "access", "private", "account")),
        b"authorization": r"authorization",
        b"token": r"token",
        b"cookie": r"cookie",
    }.items()
}
#: The same for query parameters of URLs.
_PARAMETERS: Final = {
    word: re.compile(pattern, re.IGNORECASE)
    for word, pattern in {
        b"sig=": r"(?<=[?&;])sig",
        b"signature=": r"(?<=x-amz-)signature|(?<=x-goog-)signature",
    }.items()
}
#: Words that prose also has before a colon. `token: word` is prose; `token: 4f6a…` is a secret.
_ALSO_PROSE: Final = frozenset({b"token", b"cookie"})
_SCHEME: Final = r"(?:(?:basic|bearer|token|digest)[ ]{1,4})?"
_ASSIGNED: Final = re.compile(
    r"""["'\\]{0,4}\s{0,4}(?::=|=>|[:=])\s{0,4}"""
    rf"""(?:\\{{0,3}}["']{_SCHEME}(?P<quoted>[^"'\n]{{0,255}}[^"'\\\s])(?=\\{{0,3}}["'])"""
    rf"""|["'\\]{{0,4}}{_SCHEME}(?P<bare>[^\s"'\\,;&<>{{}}()]{{4,}}+))""",
    re.IGNORECASE,
)
_URL_LOGIN: Final = re.compile(r"""://[^\s/:@\[]{0,64}:(?P<value>[^\s/"'<>]{1,128})@""")
_WEBHOOK: Final = re.compile(
    r"(?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/webhooks|webhook\.office\.com/webhookb2)"
    r"/(?P<value>[\w@/-]{20,}+)"
)
_AZURE_SECRET: Final = re.compile(r"(?<![\w~.-])[\w~.]{3}[0-9]Q~[\w~.-]{31,34}(?![\w~-])", re.ASCII)
_KEY_BLOCK: Final = re.compile(r"-{4,5} ?BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)? ?-{4,5}")
_KEY_BLOCK_END: Final = re.compile(r"-{4,5} ?END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)? ?-{4,5}")


def _key_blocks(text: str) -> str:
    if "PRIVATE KEY" not in text:
        return text
    out: list[str] = []
    done = 0
    while begin := _KEY_BLOCK.search(text, done):
        end = _KEY_BLOCK_END.search(text, begin.end())
        out += (text[done : begin.start()], SECRET)
        done = end.end() if end else len(text)  # no END line: the rest of the text may be part of the key
    return "".join([*out, text[done:]])


def _authorization(text: str) -> str:
    """Replace the credentials after `Bearer` and `Basic`."""
    lower = to_latin1(text).lower()
    if b"bearer" in lower:
        text = replace_matches(
            text, _BEARER, SECRET, lambda _, match: match.end() if _has_digit(match["value"]) else None
        )
    if b"basic" in lower:
        text = replace_matches(
            text, _BASIC, SECRET, lambda _, match: match.end() if _is_login(match["value"]) else None
        )
    return text


def _is_login(encoded: str) -> bool:
    """Whether `encoded` is `user:password` in base64. In a sentence, any word may follow `basic`."""
    try:
        return b":" in b64decode(encoded) and len(encoded) % 4 == 0
    except ValueError:
        return False


def _assignments(text: str) -> str:
    if ":" not in text and "=" not in text:
        return text
    lower = to_latin1(text).lower()
    spans: list[tuple[int, int, str]] = []
    for word, pattern in (_NAMES if "=" not in text else _NAMES | _PARAMETERS).items():
        at = lower.find(word)
        while at >= 0:
            name = pattern.match(text, at)
            value = _ASSIGNED.match(text, name.end()) if name else None
            if value and (word not in _ALSO_PROSE or _is_random(value[value.lastgroup or 0])):
                spans.append((*value.span(value.lastgroup or 0), SECRET))
            at = lower.find(word, value.end() if value else at + 1)
    return replace_spans(text, sorted(spans))


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


def _is_random(text: str) -> bool:
    return len(text) >= 8 and _has_digit(text)


def _url_logins(text: str) -> str:
    if "@" not in text or "://" not in text:
        return text
    return replace_matches(text, _URL_LOGIN, SECRET, lambda _, match: match.end("value"))


def _webhooks_and_azure(text: str) -> str:
    if ":" in text and "://" in text and "hook" in text:
        text = replace_matches(text, _WEBHOOK, SECRET, lambda _, match: match.end())
    if "~" in text and "Q~" in text:
        text = replace_matches(text, _AZURE_SECRET, SECRET, lambda _, match: match.end())
    return text


RULES: Final = (_key_blocks, _url_logins, replace_tokens, _authorization, _assignments, _webhooks_and_azure)
