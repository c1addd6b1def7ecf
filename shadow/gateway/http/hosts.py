"""Which `Host` headers are answered, against DNS rebinding.

A page on any site can point its own name at 127.0.0.1 and then reads what is served there, and uses the
gateway with its key; but its requests keep the page's name in `Host`. Names that cannot be such a page's
are answered: this machine's, those of the settings, and addresses, which no DNS answer can change.
"""

import ipaddress
from collections.abc import Collection
from typing import Final

#: Distinct names remembered; clients use a few, and an attacker must not fill the memory.
_MAX_KNOWN: Final = 256


class AllowedHosts:
    """Decides by name, and remembers its decisions. `*.example.com` in `names` allows every name below it."""

    def __init__(self, names: Collection[str]) -> None:
        self._exact = {name.lower() for name in names} | {"localhost"}
        self._below = tuple(name[1:] for name in self._exact if name.startswith("*."))
        self._known: dict[bytes, bool] = {}

    def allow(self, header: bytes) -> bool:
        """Whether a request with this `Host` header, which may hold a port, is answered."""
        known = self._known.get(header)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[header] = self._decide(header.decode("latin-1").strip().lower())
        return known

    def _decide(self, host: str) -> bool:
        name, _, port = host.rpartition(":") if host.rpartition(":")[2].isdecimal() else (host, "", "")
        if port and not name:
            return False
        name = name.removesuffix(".")
        if name in self._exact or name.endswith((".localhost", *self._below)):
            return True
        try:
            ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return "*" in self._exact
        return True
