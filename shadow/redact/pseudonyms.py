"""Pseudonyms for units that are private, such as an e-mail address.

Different units must stay different, so a private unit is replaced by its hash. Without a key the hash
protects little: there are few enough phone numbers to try them all. With a key it can be undone only
with that key. Then every unit is hashed, because without context no pattern distinguishes a phone
number from a customer number.
"""

import os
import re
from hashlib import blake2b
from typing import Final

#: The environment variable with the secret key. It must be the same in every process that captures:
#: another key gives other pseudonyms.
KEY_VARIABLE: Final = "SHADOW_UNIT_KEY"

_PSEUDONYM: Final = re.compile(r"unit-[0-9a-f]{16}")


def key() -> bytes | None:
    """This process's key; None if the variable is not set."""
    secret = os.environ.get(KEY_VARIABLE)
    return blake2b(secret.encode("utf-8", "surrogateescape")).digest() if secret else None


def pseudonym(unit: str, key: bytes | None) -> str:
    """The same for the same unit and key; a pseudonym is returned as it is."""
    if _PSEUDONYM.fullmatch(unit):
        return unit
    return "unit-" + blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8, key=key or b"").hexdigest()
