"""Which keys of a dictionary mark their values as secret, or as numbers of something else than a card."""

import re
from functools import lru_cache
from typing import Any, Final, Literal

from shadow.redact.folding import fold

#: Keys whose value is always a secret; in lower case without `-`, `_` and spaces.
SECRET_KEYS: Final = frozenset({
    "password", "passwd", "pwd", "passphrase", "passcode", "secret", "clientsecret", "secretkey", "apikey", "xapikey",
    "accesskey", "secretaccesskey", "authorization", "proxyauthorization", "xauthorization", "accesstoken",
    "refreshtoken", "idtoken", "authtoken", "xauthtoken", "sessiontoken", "bearertoken", "authorizationtoken",
    "securitytoken", "xamzsecuritytoken", "xgoogapikey", "ocpapimsubscriptionkey", "subscriptionkey", "xfunctionskey",
    "privatekey", "cookie", "setcookie", "credential", "credentials",
    "passwords", "secrets", "apikeys", "accesstokens", "privatekeys",
    "passwort", "passwörter", "kennwort", "contraseña", "contrasena", "contraseñas", "clavesecreta", "motdepasse",
    "senha", "palavrapasse", "wachtwoord", "lösenord", "losenord", "adgangskode", "passord", "salasana", "hasło",
    "haslo",
    "heslo", "jelszó", "jelszo", "şifre", "parolă", "пароль", "密码", "密碼", "口令", "パスワード", "비밀번호", "암호",
    "كلمةالمرور", "סיסמה", "पासवर्ड", "κωδικός", "mậtkhẩu",
})  # fmt: skip
_SECRET_ENDS: Final = (
    "password", "passwd", "pwd", "passphrase", "secret", "apikey", "secretkey", "privatekey", "accesstoken",
    "authtoken",
    "apitoken", "refreshtoken", "passwort", "kennwort", "contraseña", "motdepasse", "senha", "пароль", "密码",
)  # fmt: skip

#: If a key contains one of these, its value is searched together with the key, as `key: value`.
_CONTEXT_WORDS: Final = (
    "tel", "tél", "phone", "mobil", "móvil", "handy", "fax", "cell", "celular", "whatsapp", "rufnummer",
    "key", "token", "cred", "cookie", "sig", "pass",
)  # fmt: skip

#: In a dictionary of headers, names with one of these.
_SECRET_HEADER: Final = re.compile(r"auth|token|key|secret|cookie|session|sign|cred|passw|bearer", re.IGNORECASE)
#: Headers of every client, which are no secret wherever they stand.
_ORDINARY_HEADERS: Final = frozenset({
    "accept", "accept-encoding", "accept-language", "content-type", "content-length", "content-encoding", "user-agent",
    "host", "connection", "cache-control", "date", "origin", "referer", "traceparent", "x-request-id",
    "idempotency-key", "openai-beta", "anthropic-version", "mcp-protocol-version",
})  # fmt: skip
#: Keys of amounts, times and other numbers: one in ten has the check digit of a card.
_OTHER_NUMBER: Final = re.compile(
    r"(?:amount|total|sum|balance|price|cost|count|size|bytes|length|offset|limit|time|timestamp|at|ts|ns|us|ms|seed"
    r"|created|updated|expires|duration|id|ids|order|invoice|tracking|ticket|serial|imei|isbn|ean|gtin|sku|upc|version|build"
    r"|hash|checksum|population|cents|micros|wei|units|betrag|summe|importe|montant)\Z",
    re.IGNORECASE,
)
_LAST_WORD: Final = re.compile(r"[A-Z]?[a-z]+\Z|[A-Z]+\Z")

Sensitivity = Literal["secret", "in context"] | None


def sensitivity(key: Any, item: str | float) -> Sensitivity:
    """Whether `item`, the value under `key`, is a secret, or must be searched together with its key; else None."""
    if not isinstance(key, str) or len(key) > 100:
        return None
    kind = kind_of(key)
    # The key of a number may be a class, and the number its score: {"forgot_password": 0.9}.
    if kind == "secret if text":
        return "secret" if isinstance(item, str) else None
    return kind


@lru_cache(4_096)
def kind_of(key: str) -> Literal["secret", "in context", "secret if text"] | None:
    name = fold(key).text.replace("_", "").replace("-", "").replace(" ", "").replace(".", "").lower().strip(":=")
    if name in SECRET_KEYS:
        return "secret"
    if name.endswith(_SECRET_ENDS):
        return "secret if text"
    return "in context" if any(word in name for word in _CONTEXT_WORDS) else None


def names_other_number(key: Any) -> bool:
    """Whether a number under `key` is an amount, a time, an identifier and the like, and no card."""
    if not isinstance(key, str):
        return False
    last = _LAST_WORD.search(key)
    return bool(last and _OTHER_NUMBER.match(last[0]))


def is_secret_header(name: Any, *, every: bool) -> bool:
    """Whether the value of a header is a secret. `every`: of all that only one client sends, whatever their name."""
    if not isinstance(name, str) or name.lower() in _ORDINARY_HEADERS:
        return False
    return every or bool(_SECRET_HEADER.search(name))
