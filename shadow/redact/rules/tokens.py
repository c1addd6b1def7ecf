"""Keys and tokens with a prefix that identifies the service.

All are long words of letters, digits and `_-+/`, which are rare in prose. So the text is searched
for long words first, as fixed bytes, and only these for prefixes. More prefixes therefore cost
nothing for texts without such words.
"""

import itertools
import re
from typing import Final

from shadow.redact.placeholders import SECRET
from shadow.redact.rules.base64_text import is_text
from shadow.redact.spans import LONG_WORD, Span, unescape_separators, word_symbols

#: Prefixes, and what follows each. These prefixes occur only in tokens, so another word may be joined in
#: front by `_` or `-`, as in `prod-ghp_…`.
_UNIQUE_PREFIXES: Final = {
    r"A(?:KIA|SIA|BIA|CCA)": r"[A-Z0-9]{16}(?![A-Za-z0-9])",  # AWS
    r"ABSK|bedrock-api-key-": r"[\w+/-]{40,}+={0,2}",
    r"AIza|GOCSPX-|ya29\.": r"[\w-]{20,}+",  # Google
    r"gh[pousr]_|github_pat_": r"[\w-]{20,}+(?:\.[\w-]++){0,4}",
    r"gl(?:pat|dt|ft|soat|rtr?|ptt|agent|cbt|oas|imt|ffct|wt)-": r"[\w-]{10,}+(?:\.[0-9a-z]{2}(?:\.[0-9a-z]{7,9})?)?",
    r"GR1348941": r"[\w-]{20,}+",
    r"(?:xoxe\.)?xox[abcdeoprs]-|xapp-|xwfp-": r"[\w-]{11,}+",  # Slack
    r"[sr]k_(?:live|test|prod)_": r"[\w-]{8,}+",  # Stripe
    r"whsec_": r"[\w+/-]{16,}+={0,2}",
    r"npm_|pypi-|rubygems_|dckr_[po]at_|tfp_": r"[\w-]{20,}+",
    r"hf_|api_org_": r"[\w-]{20,}+",
    r"gsk_|xai-|nvapi-|pplx-|tgp_v1_|lsv2_[ps][tk]_|tvly-": r"[\w-]{20,}+",
    r"SG\.": r"[\w-]{16,}+\.[\w-]{16,}+",  # SendGrid
    r"xkeysib-|xsmtpsib-|NRAK-|PMAK-|LTAI": r"[\w-]{20,}+",
    r"shp(?:at|ss|ca|pa)_|sq0[aic][tsd]p-": r"[\w-]{20,}+",
    r"do[opr]_v1_|lin_api_|figd_|sbp_|sb_secret_|nfp_|sntry[su]_": r"[\w+/-]{20,}+={0,2}",
    r"gls?[ac]_|pscale_(?:tkn|pw|oauth)_|ATATT3|ATCTT3|ATBB": r"[\w+/-]{20,}+={0,2}",
    r"hv[sbr]\.|dp\.(?:pt|st|ct|sa|scim|audit)\.": r"[\w-]{20,}+",  # Vault, Doppler
    r"dt0[cs][0-9]{2}\.": r"[A-Z0-9]{24}\.[A-Z0-9]{64}",
    r"AGE-SECRET-KEY-1": r"[A-Z0-9]{40,}+",
    r"(?<=[0-9]:)AA": r"[\w-]{33}(?![\w-])",  # Telegram
}
#: Prefixes that other words have too; no word may be joined in front.
_SHARED_PREFIXES: Final = {
    r"(?:ops_)?eyJ": r"[\w-]{8,}+\.{1,2}[\w-]{8,}+(?:\.[\w-]++){0,3}|(?<=ops_eyJ)[\w+/-]{40,}+={0,2}",  # JWT, 1Password
    r"sk-": r"[\w-]{13,}+",  # OpenAI, Anthropic and many others
    r"AQ\.": r"[\w-]{30,}+",
    r"csk-|r8_|fo1_|fm[12][ar]?_|pat-(?:na|eu)[0-9]-|sk_|jina_|ntn_|secret_|phx_|fw_": r"[A-Za-z0-9-]{20,}+(?![\w])",
    r"re_": r"[A-Za-z0-9]{8}_[A-Za-z0-9]{16,}+",
    r"EAA": r"[A-Za-z0-9]{60,}+",  # Facebook, Square
    r"SK|dapi|fc-|key-": r"[0-9a-f]{32}(?![\w])",  # Twilio, Databricks, Firecrawl, Mailgun
    r"pul-|e2b_": r"[0-9a-f]{40}(?![\w])",
}
_PREFIX: Final = re.compile(
    rf"(?<![A-Za-z0-9])(?:{'|'.join(_UNIQUE_PREFIXES)})|(?<![\w-])(?:{'|'.join(_SHARED_PREFIXES)})", re.ASCII
)
_TOKEN: Final = re.compile(
    "|".join(f"(?:{start})(?:{rest})" for start, rest in (*_UNIQUE_PREFIXES.items(), *_SHARED_PREFIXES.items())),
    re.ASCII,
)
_AWS_SECRET_LENGTH: Final = 40
_AWS_SECRET: Final = re.compile(r"[A-Za-z0-9/+]{40}", re.ASCII)
_CHANGES: Final = 14
#: Words, as in a path, have so many small letters in a row.
_LONG_LOWER: Final = re.compile(r"[a-z]{9}")
#: Prefixes that end in a dot, before the long word.
_DOTTED_PREFIX: Final = re.compile(r"(?:SG|ya29|hv[sbr]|AQ|xoxe|dp\.(?:pt|st|ct|sa|scim|audit)|dt0[cs][0-9]{2})\.\Z")
#: What random text has and a name such as `hf_transfer_is_enabled` lacks: a digit, or this many letters in a row.
_LETTERS_IN_A_ROW: Final = 24
_RANDOM: Final = re.compile(rf"[0-9]|[A-Za-z]{{{_LETTERS_IN_A_ROW}}}")


def token_spans(text: str, _: bytes) -> list[Span]:
    """The spans of all such tokens."""
    unescaped = unescape_separators(text)
    words = word_symbols(unescaped)
    spans: list[Span] = []
    done = 0
    at = words.find(LONG_WORD)
    while at >= 0:
        end = words.find(b" ", at)
        end = len(words) if end < 0 else end
        if end - at < _LETTERS_IN_A_ROW and unescaped[at:end].isalpha() and unescaped[at - 1 : at] != ".":
            at = words.find(LONG_WORD, end)
            continue  # only letters: nearly all long words of prose
        if end - at == _AWS_SECRET_LENGTH and is_aws_secret(unescaped[at:end]):
            spans.append((at, end, SECRET))
            done = end
        position = max(done, _earliest_start(unescaped, at))
        while start := _PREFIX.search(unescaped, position, end):
            token = _TOKEN.match(unescaped, start.start())
            position = token.end() if token else start.start() + 1
            if token and _RANDOM.search(unescaped, start.end(), token.end()):
                done = token.end()
                spans.append((token.start(), done, SECRET))
        at = words.find(LONG_WORD, max(end, done))
    return spans


def is_aws_secret(word: str) -> bool:
    """Whether 40 characters look like the random ones of an AWS secret key, which has no prefix.

    A random key changes between lower case, upper case, digits and signs at most of its places; names in
    camel case change at the beginnings of their words only, and hash sums have one case.
    """
    if not _AWS_SECRET.fullmatch(word) or word.lower() == word or word.upper() == word:
        return False
    digits = sum(c.isdigit() for c in word)
    signs = word.count("/") + word.count("+")
    kinds = [c.islower() + 2 * c.isupper() + 4 * c.isdigit() for c in word]
    changes = sum(a != b for a, b in itertools.pairwise(kinds))
    return (
        changes >= _CHANGES
        and (digits >= 3 or bool(digits and signs))
        and not _LONG_LOWER.search(word)
        and not is_text(word)
    )


def _earliest_start(text: str, at: int) -> int:
    """The earliest start of a token whose long word begins at `at`: a prefix such as `SG.` comes before it."""
    if at and text[at - 1] == ".":
        before = _DOTTED_PREFIX.search(text, max(0, at - 12), at)
        return before.start() if before else at
    return at
