"""The gateway as an ASGI application: its own pages, and the proxy under `/v1`."""

import msgspec

from shadow.gateway.http import asgi
from shadow.gateway.http.asgi import App, Receive, Scope, Send
from shadow.gateway.metrics import CONTENT_TYPE, Metrics
from shadow.gateway.mirror.port import InProcess, Mirror, Publisher
from shadow.gateway.proxy import MIRRORED, Proxy
from shadow.settings import Settings


def build(settings: Settings, publisher: Publisher) -> App:
    """The gateway's ASGI application, mirroring through a publisher that stays the caller's to close.

    Raises ConfigError where the settings name no endpoint to forward to.
    """
    return build_with(settings, InProcess(settings, publisher))


def build_with(settings: Settings, mirror: Mirror) -> App:
    """The same with any mirror; the application starts and stops it."""
    metrics = Metrics(mirror.counts)
    proxy = Proxy(settings, mirror, metrics)

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await _lifespan(proxy, mirror, receive, send)
        if scope["type"] != "http":  # the realtime API's WebSockets are not proxied
            return await send({"type": "websocket.close", "code": 1003})
        path: str = scope["path"]
        if scope["method"] == "POST" and (api := MIRRORED.get(path)):
            return await proxy.mirrored(api, scope, receive, send)
        # A path that climbs out of /v1 would reach what the endpoint's key was never meant for.
        if path.startswith("/v1/") and ".." not in path.split("/"):
            return await proxy.untouched(scope, receive, send)
        match path:
            case "/livez":
                return await asgi.answer(send, 200, b'{"alive":true}')
            case "/readyz":
                return await asgi.answer(send, 200, _readiness(settings, mirror))
            case "/metrics":
                return await asgi.answer(send, 200, metrics.text(), CONTENT_TYPE)
        return await asgi.refuse(send, 404, "unknown_path", f"The gateway serves what is under /v1, not {path}")

    return gateway


def _readiness(settings: Settings, mirror: Mirror) -> bytes:
    """Ready as soon as there are settings: this reports what capture does, and does not ask it.

    A dead broker must not take the gateway out of its load balancer: production would stop
    because nobody can watch it.
    """
    return msgspec.json.encode({"ready": True, "tasks": list(settings.tasks), "capture": mirror.counts()})


async def _lifespan(proxy: Proxy, mirror: Mirror, receive: Receive, send: Send) -> None:
    await receive()
    await mirror.start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    proxy.close()
    await mirror.stop()
    await send({"type": "lifespan.shutdown.complete"})
