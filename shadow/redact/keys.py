"""What the keys of a dictionary say of the values under them."""

from functools import lru_cache
from typing import Any, Final, Literal

#: Keys whose value is a secret whatever it looks like, in lower case without `-` and `_`.
SECRET_KEYS: Final = frozenset({
    "password", "passwd", "pwd", "passphrase", "secret", "clientsecret", "secretkey", "apikey", "xapikey", "accesskey",
    "secretaccesskey", "authorization", "proxyauthorization", "accesstoken", "refreshtoken", "idtoken", "authtoken",
    "sessiontoken", "bearertoken", "privatekey", "cookie", "setcookie",
})  # fmt: skip
_SECRET_ENDS: Final = ("password", "passwd", "pwd", "passphrase", "secret", "apikey", "secretkey", "privatekey")

#: Keys that hold one of these are read in one with their value, as `key: value`.
_TELLING: Final = ("tel", "phone", "mobil", "handy", "fax", "cell", "whatsapp", "key", "token", "cred", "cookie", "sig")


def says_what_it_holds(key: Any, item: str | float) -> Literal["secret", "perhaps"] | None:
    """Whether the value under `key` is a secret, or has to be read in one with it."""
    if not isinstance(key, str) or len(key) > 100:
        return None
    said = _of_key(key)
    # The key of a number may be a label, and the number its score: {"forgot_password": 0.9}.
    if said == "end":
        return "secret" if isinstance(item, str) else None
    return said


@lru_cache(4_096)
def _of_key(key: str) -> Literal["secret", "perhaps", "end"] | None:
    name = key.replace("_", "").replace("-", "").lower()
    if name in SECRET_KEYS:
        return "secret"
    if name.endswith(_SECRET_ENDS):
        return "end"
    return "perhaps" if any(word in name for word in _TELLING) else None
