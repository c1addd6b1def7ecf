"""Sampling by a consistent hash, so that every process makes the same choice about an exchange.

A choice depends only on a salt and a key: the id of the exchange, or its unit, whose requests are
then sampled together. So a restart, a second gateway or a replay makes the same choice. Different
choices about one exchange (whether to mirror it, whether to ask for a ceiling) use different salts,
so they are independent.
"""

from hashlib import blake2b

# A double holds 53 bits exactly; more would round the highest hashes up to 1.0 itself.
_BITS = 53


def position(key: str, *, salt: str) -> float:
    """The hash of `key` and `salt` as a number in [0, 1), uniform over keys."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, person=_person(salt))
    return (int.from_bytes(digest.digest(), "big") >> (64 - _BITS)) / (1 << _BITS)


def chosen(key: str, *, rate: float, salt: str) -> bool:
    """Whether `key` is in the sample of the share `rate`, in [0, 1], under `salt`.

    A higher rate keeps every key of a lower rate, and adds others.
    """
    return rate >= 1 or position(key, salt=salt) < rate


def _person(salt: str) -> bytes:
    # blake2b's personalisation field holds 16 bytes; longer salts are hashed to fit.
    raw = salt.encode("utf-8", "surrogatepass")
    return raw if len(raw) <= 16 else blake2b(raw, digest_size=16).digest()
