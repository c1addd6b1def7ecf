"""What stands in for a unit that nobody is to know.

A unit must stay apart from other units, so a private one is hashed and not blanked. A hash
alone hides little: there are few enough phone numbers to try them all. With a key it hides
everything from whoever does not have the key. Then every unit is hashed, for no pattern tells
a phone number from a customer's number where nothing else stands beside it.
"""

import os
import re
from hashlib import blake2b
from typing import Final

#: Any secret text, the same in every process that captures: another key makes other units.
KEY_VARIABLE: Final = "SHADOW_UNIT_KEY"

_STAND_IN: Final = re.compile(r"unit-[0-9a-f]{16}")


def key() -> bytes | None:
    """The key of this process's units; None where none is set."""
    secret = os.environ.get(KEY_VARIABLE)
    return blake2b(secret.encode("utf-8", "surrogateescape")).digest() if secret else None


def stand_in(unit: str, key: bytes | None) -> str:
    """Always the same for the same unit and key, and for what stands in already."""
    if _STAND_IN.fullmatch(unit):
        return unit
    return "unit-" + blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8, key=key or b"").hexdigest()
