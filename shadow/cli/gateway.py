"""`shadow gateway`"""

import signal
import socket
from typing import Annotated

import typer

from shadow.cli.runtime.options import Config
from shadow.errors import UsageError


def command(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: gateway.host.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port. Default: gateway.port.")] = None,
    config: Config = None,
) -> None:
    """Serve the OpenAI-compatible proxy that mirrors production requests.

    Set a client's base_url to http://HOST:PORT/v1. The proxy keeps serving while the broker is down.

    Example: shadow gateway --config shadow.toml --port 8080
    """
    import structlog
    import uvicorn

    from shadow.cli.runtime import logs
    from shadow.garbage_collection import collect_less_often
    from shadow.gateway.app import build
    from shadow.gateway.http import serving
    from shadow.gateway.mirror.process import MirrorProcess
    from shadow.settings import load

    logs.configure()
    log = structlog.get_logger()
    settings = load(config)
    mirror = MirrorProcess(settings)
    application = build(settings, mirror, on_startup=mirror.start, on_shutdown=mirror.stop)
    listening = _listen(host or settings.gateway.host, settings.gateway.port if port is None else port)
    server = uvicorn.Server(serving.config(application, settings.gateway))
    address = "{}:{}".format(*listening.getsockname()[:2])
    log.info("serving", action="gateway.serving", address=f"http://{address}/v1", tasks=list(settings.tasks))
    # After an orderly stop uvicorn raises the signal that asked for it once more. The stop was
    # a success, so the process must not end by that signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    # Requests leave no reference cycles behind, and a full collection stopped all streams for 34 ms.
    collect_less_often()
    server.run(sockets=[listening])
    log.info("stopped", action="gateway.stopped", capture=mirror.outcomes())


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, opened before anything else starts so that a used port is reported at once."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server((host, port), family=found[0][0], backlog=2048)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"cannot listen on {host}:{port}: {reason}; choose another port with --port, or `port` under [gateway]"
        ) from None
