"""uvicorn as the gateway runs it: it adds nothing to answers, and limits what clients may send."""

from functools import partial
from typing import Any, Final

import uvicorn

from shadow.gateway.http.asgi import App
from shadow.gateway.http.deadlines import Deadlines
from shadow.gateway.http.hosts import AllowedHosts
from shadow.gateway.http.protocol import LimitedProtocol, Limits
from shadow.settings import GatewaySettings

#: Longest that requests in flight may take to finish after SIGTERM.
_GRACE_S: Final = 30
#: Load balancers and clients keep idle connections for about a minute. Whoever closes first may
#: lose a request that is already on its way, so the gateway waits longer.
_KEEPALIVE_S: Final = 75
#: How long a client that was refused while it was sending may take to read the reason.
_LINGER_S: Final = 2.0


def config(application: App, settings: GatewaySettings, **changes: Any) -> uvicorn.Config:
    """How the gateway is served; `changes` are uvicorn's options."""
    limits = Limits(
        header_bytes=settings.max_header_bytes,
        receive=Deadlines(settings.receive_timeout_s),
        linger=Deadlines(_LINGER_S),
        hosts=AllowedHosts(settings.allowed_hosts),
    )
    ours: dict[str, Any] = {
        "loop": "uvloop",
        "http": partial(LimitedProtocol, limits),
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        # The endpoint's own headers are forwarded; the client's address is not used.
        "server_header": False,
        "date_header": False,
        "proxy_headers": False,
        "timeout_keep_alive": _KEEPALIVE_S,
        "timeout_graceful_shutdown": _GRACE_S,
    }
    return uvicorn.Config(application, **ours | changes)
