"""Which keys of a dictionary mark their values as secret."""

from functools import lru_cache
from typing import Any, Final, Literal

#: Keys whose value is always a secret; in lower case without `-` and `_`.
SECRET_KEYS: Final = frozenset({
    "password", "passwd", "pwd", "passphrase", "secret", "clientsecret", "secretkey", "apikey", "xapikey", "accesskey",
    "secretaccesskey", "authorization", "proxyauthorization", "accesstoken", "refreshtoken", "idtoken", "authtoken",
    "sessiontoken", "bearertoken", "privatekey", "cookie", "setcookie",
})  # fmt: skip
_SECRET_ENDS: Final = ("password", "passwd", "pwd", "passphrase", "secret", "apikey", "secretkey", "privatekey")

#: If a key contains one of these, its value is searched together with the key, as `key: value`.
_CONTEXT_WORDS: Final = (
    "tel",
    "phone",
    "mobil",
    "handy",
    "fax",
    "cell",
    "whatsapp",
    "key",
    "token",
    "cred",
    "cookie",
    "sig",
)


def sensitivity(key: Any, item: str | float) -> Literal["secret", "in context"] | None:
    """Whether `item`, the value under `key`, is a secret, or must be searched together with its key; else None."""
    if not isinstance(key, str) or len(key) > 100:
        return None
    kind = _kind_of(key)
    # The key of a number may be a class, and the number its score: {"forgot_password": 0.9}.
    if kind == "secret if text":
        return "secret" if isinstance(item, str) else None
    return kind


@lru_cache(4_096)
def _kind_of(key: str) -> Literal["secret", "in context", "secret if text"] | None:
    name = key.replace("_", "").replace("-", "").lower()
    if name in SECRET_KEYS:
        return "secret"
    if name.endswith(_SECRET_ENDS):
        return "secret if text"
    return "in context" if any(word in name for word in _CONTEXT_WORDS) else None
