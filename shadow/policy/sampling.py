"""Whether an exchange is sampled: a consistent hash, so that every process decides alike.

The choice depends on the id (or the unit, whose requests are sampled together) and a salt alone: a restart,
a second gateway or a replay makes the same choice, and different choices about one exchange
(whether to mirror it, whether to ask for a ceiling) use different salts and stay independent.
"""

from hashlib import blake2b

# A double holds 53 bits exactly; more would round the highest hashes up to 1.0 itself.
_BITS = 53


def position(key: str, *, salt: str) -> float:
    """Where `key` falls in [0, 1): uniform over keys, fixed for one key and salt."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, person=_person(salt))
    return (int.from_bytes(digest.digest(), "big") >> (64 - _BITS)) / (1 << _BITS)


def chosen(key: str, *, rate: float, salt: str) -> bool:
    """Whether `key` is among the share `rate` in [0, 1] chosen under `salt`.

    Raising the rate keeps everything that was chosen before, and adds to it.
    """
    return rate >= 1 or position(key, salt=salt) < rate


def _person(salt: str) -> bytes:
    # blake2b's personalisation field holds 16 bytes; longer salts are hashed to fit.
    raw = salt.encode("utf-8", "surrogatepass")
    return raw if len(raw) <= 16 else blake2b(raw, digest_size=16).digest()
