"""The gateway as an ASGI application: its own pages, and the proxy under `/v1`."""

import msgspec

from shadow.gateway import asgi
from shadow.gateway.asgi import App, Receive, Scope, Send
from shadow.gateway.metrics import CONTENT_TYPE, Metrics
from shadow.gateway.proxy import MIRRORED, Proxy, Publisher
from shadow.settings import Settings


def build(settings: Settings, publisher: Publisher) -> App:
    """The gateway's ASGI application. The publisher stays the caller's to close.

    Raises ConfigError where the settings name no endpoint to forward to.
    """
    metrics = Metrics(publisher)
    proxy = Proxy(settings, publisher, metrics)

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await _lifespan(proxy, receive, send)
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
                return await asgi.answer(send, 200, _readiness(settings, publisher))
            case "/metrics":
                return await asgi.answer(send, 200, metrics.text(), CONTENT_TYPE)
        return await asgi.refuse(send, 404, "unknown_path", f"The gateway serves what is under /v1, not {path}")

    return gateway


def _readiness(settings: Settings, publisher: Publisher) -> bytes:
    """Ready as soon as there are settings: this reports the publisher, and does not ask it.

    A dead broker must not take the gateway out of its load balancer: production would stop
    because nobody can watch it.
    """
    capture = publisher.counts().counts
    return msgspec.json.encode({"ready": True, "tasks": list(settings.tasks), "capture": capture})


async def _lifespan(proxy: Proxy, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await proxy.close()
    await send({"type": "lifespan.shutdown.complete"})
