"""Keys, tokens, passwords and private keys in text."""

import re
from typing import Final

from shadow.redact.spans import replace

#: How tokens begin, by a character that all of a group have. Most texts hold none, and that is
#: told fastest by looking for that character, and for the beginnings only where it is.
_TOKEN_STEMS: Final = {
    "_": (
        "sk_live_",
        "rk_live_",
        "sk_test_",
        "rk_test_",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "hf_",
        "npm_",
    ),
    "-": ("sk-", "glpat-", "xox", "xapp-"),
    "A": ("AKIA", "ASIA", "AIza"),
    "J": ("eyJ",),
    "9": ("ya29.",),
}
_TOKEN_START: Final = re.compile(
    r"sk-|[sr]k_(?:live|test)_|AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|xapp-|AIza|ya29\.|hf_|npm_|eyJ"
)
_TOKEN: Final = re.compile(
    r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]++)?"
    r"|(?:AIza|ya29\.|npm_|hf_|gh[pousr]_|github_pat_)[\w-]{20,}+"
    r"|(?:glpat-|sk-|xapp-|[sr]k_(?:live|test)_|xox[abeoprs]-)[\w-]{10,}+",
    re.ASCII,
)
_BEARER: Final = re.compile(r"\bbearer[ \t]{1,4}(?P<value>[\w.~+/=-]{8,}+)", re.IGNORECASE | re.ASCII)
_SECRET_STEMS: Final = ("pass", "pwd", "secret", "key", "token", "authorization")
_SECRET_NAME: Final = re.compile(
    r"passw(?:or)?d|passphrase|pwd|secret(?:[_-]?key)?|api[ _-]?key|access[_-]?key|private[_-]?key|token|authorization",
    re.IGNORECASE,
)
_ASSIGNED: Final = re.compile(
    r"""["'\\]{0,4}\s{0,4}[:=]\s{0,4}["'\\]{0,4}(?:(?:basic|bearer|token|digest)[ ]{1,4})?"""
    r"""(?P<value>[^\s"'\\,;&<>{}()]{4,}+)""",
    re.IGNORECASE,
)
_URL_LOGIN: Final = re.compile(r"://[^\s/:@\[]{1,64}:(?P<value>[^\s/@]{1,128})@")
_KEY_BLOCK: Final = re.compile(r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----")
_KEY_BLOCK_END: Final = re.compile(r"-----END [A-Z ]{0,32}PRIVATE KEY-----")


def _key_blocks(text: str) -> str:
    if "PRIVATE KEY-----" not in text:
        return text
    out: list[str] = []
    done = 0
    while begin := _KEY_BLOCK.search(text, done):
        end = _KEY_BLOCK_END.search(text, begin.end())
        out += (text[done : begin.start()], "[secret]")
        done = end.end() if end else len(text)  # cut off before its end: all that follows may be key
    return "".join([*out, text[done:]])


def _tokens(text: str) -> str:
    for sign, stems in _TOKEN_STEMS.items():
        if sign in text and any(stem in text for stem in stems):
            return _without_tokens(text)
    return text


def _without_tokens(text: str) -> str:
    def accept(text: str, start: re.Match[str]) -> int | None:
        at = start.start()
        if at and (text[at - 1].isalnum() or text[at - 1] in "_-"):
            return None  # in the middle of a word, such as `risk-…`
        token = _TOKEN.match(text, at)
        return token.end() if token and any(c.isdigit() for c in token[0]) else None

    return replace(text, _TOKEN_START, "[secret]", accept)


def _bearers(text: str) -> str:
    if "earer" not in text and "EARER" not in text:
        return text

    def accept(_: str, match: re.Match[str]) -> int | None:
        return match.end() if any(c.isdigit() for c in match["value"]) else None

    return replace(text, _BEARER, "[secret]", accept)


def _assignments(text: str) -> str:
    if ":" not in text and "=" not in text:
        return text
    lower = text.lower()
    if not any(stem in lower for stem in _SECRET_STEMS):
        return text
    out: list[str] = []
    done = 0
    for name in _SECRET_NAME.finditer(text):
        if name.start() < done or not (value := _ASSIGNED.match(text, name.end())):
            continue
        found = value["value"]
        # "token: word" is prose; "token: 4f6a…" is not.
        if name[0].lower() == "token" and (len(found) < 8 or not any(c.isdigit() for c in found)):
            continue
        out += (text[done : value.start("value")], "[secret]")
        done = value.end()
    return "".join([*out, text[done:]]) if out else text


def _url_logins(text: str) -> str:
    if "@" not in text or "://" not in text:
        return text
    return replace(text, _URL_LOGIN, "[secret]", lambda _, match: match.end("value"))


RULES: Final = (_key_blocks, _url_logins, _tokens, _bearers, _assignments)
