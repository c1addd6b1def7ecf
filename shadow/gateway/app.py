"""The gateway as an ASGI application: its own pages, and the proxy under `/v1`."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

from shadow.gateway.http import asgi, paths
from shadow.gateway.http.asgi import App, Receive, Scope, Send
from shadow.gateway.metrics import CONTENT_TYPE, Metrics
from shadow.gateway.proxy import MIRRORED, Proxy
from shadow.recording import PublisherPort
from shadow.settings import Settings

Hook: TypeAlias = Callable[[], Awaitable[None]]


async def _nothing() -> None: ...


def build(
    settings: Settings, publisher: PublisherPort, *, on_startup: Hook = _nothing, on_shutdown: Hook = _nothing
) -> App:
    """The gateway's ASGI application. `publisher` stays the caller's to close, perhaps in `on_shutdown`.

    `on_startup` is awaited before the first request, `on_shutdown` after the last.
    Raises ConfigError where the settings name no endpoint to forward to.
    """
    metrics = Metrics(publisher.outcomes)
    proxy = Proxy(settings, publisher, metrics)

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        if scope["type"] != "http":  # the realtime API's WebSockets are not proxied
            return await send({"type": "websocket.close", "code": 1003})
        path: str = scope["path"]
        if scope["method"] == "POST" and (api := MIRRORED.get(path)):
            return await proxy.mirrored(api, scope, receive, send)
        if path.startswith("/v1/"):
            if paths.may_leave(scope["raw_path"]):
                message = "The gateway does not forward paths that some servers would resolve to one above /v1."
                return await asgi.refuse(send, 404, "unsafe_path", message)
            if scope["method"] == "POST" and (api := MIRRORED.get(paths.plain(path))):
                return await proxy.mirrored(api, scope, receive, send)
            return await proxy.pass_through(scope, receive, send)
        match path:
            case "/livez":
                return await asgi.answer(send, 200, b'{"alive":true}')
            case "/readyz":
                return await asgi.answer(send, 200, _readiness(settings, publisher))
            case "/metrics":
                return await asgi.answer(send, 200, metrics.text(), CONTENT_TYPE)
        return await asgi.refuse(send, 404, "unknown_path", f"The gateway serves what is under /v1, not {path}")

    async def lifespan(receive: Receive, send: Send) -> None:
        await receive()
        await on_startup()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        proxy.close()
        await on_shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    return gateway


def _readiness(settings: Settings, publisher: PublisherPort) -> bytes:
    """Ready as soon as there are settings: capture is reported here, and never makes the gateway unready.

    A dead broker must not take the gateway out of its load balancer: production would stop
    because it could not be mirrored.
    """
    return msgspec.json.encode({"ready": True, "tasks": list(settings.tasks), "capture": publisher.outcomes()})
