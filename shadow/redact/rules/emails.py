"""E-mail addresses in text, also those that are spelled out, such as `bob (at) example (dot) com`."""

import re
from typing import Final

from shadow.redact.placeholders import EMAIL
from shadow.redact.spans import Span

_LOCAL_PART_REVERSED: Final = re.compile(
    # Scripts that are written without spaces end where a local part in another script begins.
    r"(?:[^\W\u2e80-\uffff]|[.%+-])++(?:'[A-Za-z]{1,2}(?!\w))?|[\w.%+-]++"
)
#: A local part in quotes, whose quotes are escaped in JSON source.
_QUOTED_REVERSED: Final = re.compile(r'"\\?(?:(?!\\?")[^\n@]){1,62}"\\?')
_DOMAIN: Final = re.compile(
    r"(?:\w[\w-]{0,62}\.){1,8}(?:xn--[a-z0-9-]{2,59}|[^\W\d_\u2e80-\uffff]{2,24}|[^\W\d_]{2,24})", re.IGNORECASE
)
_ADDRESS_LITERAL: Final = re.compile(r"\[(?:IPv6:[0-9a-f:.]{2,45}|[0-9]{1,3}(?:\.[0-9]{1,3}){3})\]", re.IGNORECASE)
#: Users of version control servers: part of an address of a repository, and of no person.
_REPOSITORY_USERS: Final = frozenset({"git", "hg", "svn"})
#: Ends of file names, as in `logo@2x.png`, which are no top-level domains.
_FILE_ENDS: Final = frozenset({
    "png", "jpg", "jpeg", "gif", "webp", "svg", "ico", "css", "js", "mjs", "jsx", "tsx", "json", "html", "htm", "xml",
    "txt", "yaml", "yml", "toml", "java", "exe", "dll", "pdf",
})  # fmt: skip

#: Ends of domains that ordinary words before `at` and `dot` seldom have.
_COMMON_ENDS: Final = (
    "com|org|net|edu|gov|info|biz|io|dev|app|eu|de|at|ch|fr|es|it|nl|be|pt|pl|se|no|dk|fi|cz|uk|ie|us|ca|mx|br|ar|cl|co"
    "|jp|cn|kr|in|au|nz|za|ru|ua|tr|gr|ro|hu|example|test"
)
_AT: Final = r"\s{0,3}[\[({<]\s?(?:at|@|ät|arroba|chiocciola|arobase)\s?[\])}>]\s{0,3}"
_DOT: Final = (
    r"(?:\s{0,3}[\[({<]\s?(?:dot|punkt|punto|point|ponto|\.)\s?[\])}>]\s{0,3}|\s{1,2}(?:dot|punkt|punto)\s{1,2}|\.)"
)
_BRACKETED: Final = re.compile(
    rf"(?<![\w.+-])[\w.+-]{{1,64}}{_AT}(?:[\w-]{{1,63}}{_DOT}){{1,6}}[^\W\d_]{{2,24}}(?!\w)", re.IGNORECASE
)
#: At least one `dot` must be a word: `meet at example.com` holds no address.
_SPELLED: Final = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}\s{1,2}(?:at|ät|@)\s{1,2}"
    rf"(?:[\w-]{{1,63}}(?:\s{{1,2}}(?:dot|\.)\s{{1,2}}|\.)){{1,6}}(?:{_COMMON_ENDS})(?!\w)",
    re.IGNORECASE,
)
_SPACED_AT: Final = re.compile(
    rf"(?<![\w.+-])[\w.+-]{{1,64}}\s{{1,2}}@\s{{1,2}}(?:[\w-]{{1,63}}\s?\.\s?){{1,6}}(?:{_COMMON_ENDS})(?!\w)",
    re.IGNORECASE,
)


def email_spans(text: str, lower: bytes) -> list[Span]:
    spans: list[Span] = []
    if "@" in text:
        spans += _around(text, "@")
        if " @ " in text:
            spans += ((*match.span(), EMAIL) for match in _SPACED_AT.finditer(text))
    if "%" in text and "%40" in text:  # in URLs
        spans += _around(text, "%40")
    if "&" in text and "&#64;" in text:  # in HTML
        spans += _around(text, "&#64;")
    if ("(" in text or "[" in text or "{" in text or "<" in text) and any(at in lower for at in _SPELLED_AT):
        spans += ((*match.span(), EMAIL) for match in _BRACKETED.finditer(text))
    if b" dot" in lower:
        spans += ((*match.span(), EMAIL) for match in _SPELLED.finditer(text) if _WORD_DOT.search(text, *match.span()))
    return sorted(spans)


_SPELLED_AT: Final = (
    b"at)", b"at]", b"at}", b"at>", b"(@)", b"[@]", b"{@}", b"at )", b"at ]", b"\xe4t)", b"\xe4t]", b"arroba",
    b"chiocciola",
    b"arobase",
)  # fmt: skip
_WORD_DOT: Final = re.compile(r"\sdot\s", re.IGNORECASE)


def _around(text: str, sign: str) -> list[Span]:
    spans: list[Span] = []
    done = 0
    at = text.find(sign)
    while at >= 0:
        before = text[max(done, at - 64) : at][::-1]
        local = _LOCAL_PART_REVERSED.match(before) or _QUOTED_REVERSED.match(before)
        end = _domain_end(text, at + len(sign)) if local else None
        if local and end is not None and local[0][::-1].lower() not in _REPOSITORY_USERS:
            done = end
            spans.append((at - local.end(), done, EMAIL))
        at = text.find(sign, max(at + 1, done))
    return spans


def _domain_end(text: str, at: int) -> int | None:
    """The end of the domain that begins at `at`; None if there is none."""
    if text.startswith("[", at):
        literal = _ADDRESS_LITERAL.match(text, at)
        return literal.end() if literal else None
    domain = _DOMAIN.match(text, at)
    if domain is None or domain[0].rpartition(".")[2].lower() in _FILE_ENDS:
        return None
    # In code, `@` also multiplies matrices: `x@weights.transpose()`.
    return None if text.startswith("(", domain.end()) and not _KNOWN_END.search(domain[0]) else domain.end()


_KNOWN_END: Final = re.compile(rf"\.(?:{_COMMON_ENDS})\Z", re.IGNORECASE)
