"""Private keys, authorization headers, logins and secret addresses in text."""

import re
from base64 import b64decode
from typing import Final

from shadow.redact.placeholders import SECRET
from shadow.redact.spans import Span, matches

_BEARER: Final = re.compile(r"\bbearer(?:[ \t]|%20|\+){1,4}(?P<value>[\w.~+/=-]{8,}+)", re.IGNORECASE | re.ASCII)
_BASIC: Final = re.compile(
    r"\bbasic[ \t]{1,4}(?P<value>[A-Z0-9+/]{6,1000}+={0,2})(?![\w+/=])", re.IGNORECASE | re.ASCII
)
_URL_LOGIN: Final = re.compile(
    r"""(?:(?::|%3A)//|%3A%2F%2F)[^\s/:@\[]{0,64}:(?P<value>[^\s/"'<>]{1,128})@""", re.IGNORECASE
)
#: A token in place of a user: `https://0123456789abcdef@sentry.example/1`.
_URL_TOKEN: Final = re.compile(r"""://(?P<value>[A-Za-z0-9_-]{16,128})@""")
#: `curl -u name:password`; with other programs, `-u` also takes a user and a group.
_OPTION_LOGIN: Final = re.compile(
    r"""\bcurl\b[^\n|;]{0,200}?\s(?:-u|--user|--proxy-user|-U|-a|--auth)(?:\s{1,3}|=)?["']?[^\s:"'$/-][^\s:"'/]{0,63}"""
    r"""(?::|%3A)(?P<value>[^\s"']{1,128})"""
)
_WEBHOOK: Final = re.compile(
    r"(?:hooks\.slack\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/webhooks|webhook\.office\.com/webhookb2)"
    r"/(?P<value>[\w@/-]{20,}+)"
)
_AZURE_SECRET: Final = re.compile(r"(?<![\w~.-])[\w~.]{3}[0-9]Q~[\w~.-]{31,34}(?![\w~-])", re.ASCII)
_KEY_BLOCK: Final = re.compile(r"-{4,5} ?BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)? ?-{4,5}")
_KEY_BLOCK_END: Final = re.compile(r"-{4,5} ?END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)? ?-{4,5}")


def key_blocks(text: str, _: bytes) -> list[Span]:
    spans: list[Span] = []
    if "PRIVATE KEY" not in text:
        return spans
    done = 0
    while begin := _KEY_BLOCK.search(text, done):
        end = _KEY_BLOCK_END.search(text, begin.end())
        done = end.end() if end else len(text)  # no END line: the rest of the text may be part of the key
        spans.append((begin.start(), done, SECRET))
    return spans


def authorizations(text: str, lower: bytes) -> list[Span]:
    """The credentials after `Bearer` and `Basic`."""
    spans: list[Span] = []
    if b"bearer" in lower:
        spans += matches(text, _BEARER, SECRET, lambda _, match: match.end() if _has_digit(match["value"]) else None)
    if b"basic" in lower:
        spans += matches(text, _BASIC, SECRET, lambda _, match: match.end() if _is_login(match["value"]) else None)
    return sorted(spans)


def _is_login(encoded: str) -> bool:
    """Whether `encoded` is `user:password` in base64. In a sentence, any word may follow `basic`."""
    try:
        return b":" in b64decode(encoded) and len(encoded) % 4 == 0
    except ValueError:
        return False


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


def logins(text: str, lower: bytes) -> list[Span]:
    """Passwords in addresses, and those after an option such as `curl -u`."""
    spans: list[Span] = []
    if "@" in text and ("//" in text or "%2f%2f" in text.lower()):
        spans += matches(text, _URL_LOGIN, SECRET, lambda _, match: match.end("value"))
        spans += matches(
            text, _URL_TOKEN, SECRET, lambda _, match: match.end("value") if _is_token(match["value"]) else None
        )
    if b"curl" in lower:
        spans += matches(text, _OPTION_LOGIN, SECRET, lambda _, match: match.end("value"))
    return sorted(spans)


def _is_token(text: str) -> bool:
    return _has_digit(text) and not text.isdigit()


def webhooks_and_azure(text: str, _: bytes) -> list[Span]:
    spans: list[Span] = []
    if "/" in text and "://" in text and "hook" in text:
        spans += matches(text, _WEBHOOK, SECRET, lambda _, match: match.end())
    if "~" in text and "Q~" in text:
        spans += matches(text, _AZURE_SECRET, SECRET, lambda _, match: match.end())
    return sorted(spans)
