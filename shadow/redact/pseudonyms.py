"""Pseudonyms for units that are private, such as an e-mail address.

Different units must stay different, so a private unit is replaced by its hash. Without a key the hash
protects little, because all phone numbers can be tried. With a key, only who has the key can try them.
Then every unit is hashed, because no pattern distinguishes a bare phone number from a customer number.
"""

import os
import re
from hashlib import blake2b
from typing import Final

#: The environment variable with the secret key. It must be the same in every process that captures,
#: because another key gives other pseudonyms.
KEY_VARIABLE: Final = "SHADOW_UNIT_KEY"

_PSEUDONYM: Final = re.compile(r"unit-[0-9a-f]{16}")


def key() -> bytes | None:
    """The hash key of this process (64 bytes); None if the variable is not set."""
    secret = os.environ.get(KEY_VARIABLE)
    return blake2b(secret.encode("utf-8", "surrogateescape")).digest() if secret else None


def pseudonym(unit: str, key: bytes | None) -> str:
    """`unit-` and 16 hex digits, the same for the same unit and key. A pseudonym is returned unchanged."""
    if _PSEUDONYM.fullmatch(unit):
        return unit
    return "unit-" + blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8, key=key or b"").hexdigest()
