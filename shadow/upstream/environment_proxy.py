"""The HTTP proxy that the environment names for an address, as the official client chooses it.

aiohttp's own `trust_env` also reads ~/.netrc, and then refuses requests that have a key of their own.
"""

import ipaddress
import re
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")


def proxy_for(url: str) -> str | None:
    """The proxy for requests to `url`: HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, unless NO_PROXY names its host.

    This machine's own addresses are always asked directly, because a proxy elsewhere cannot reach them.
    A SOCKS proxy is left out, because aiohttp knows none. The address may hold a password: see `without_userinfo`.
    """
    parts = urlsplit(url)
    if _is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    address = proxies.get(parts.scheme) or proxies.get("all")
    if not address:
        return None
    address = address if "://" in address else f"http://{address}"
    return address if address.lower().startswith(("http://", "https://")) else None


def without_userinfo(error: str) -> str:
    """The text of an error without the users and passwords of the addresses in it, as aiohttp prints them."""
    return _CREDENTIALS.sub("", error)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
