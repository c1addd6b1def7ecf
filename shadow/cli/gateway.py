"""`shadow gateway`"""

import signal
import socket
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvicorn

from shadow.cli.runtime import logs
from shadow.errors import UsageError
from shadow.gateway.app import build
from shadow.gateway.http import serving
from shadow.gateway.mirror.process import MirrorProcess
from shadow.settings import load

_log = structlog.get_logger()


def command(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: gateway.host.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port. Default: gateway.port.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
) -> None:
    """Serve the OpenAI-compatible proxy that mirrors production requests.

    Point a client's base_url at http://HOST:PORT/v1. A dead broker never stops it.

    Example: shadow gateway --config shadow.toml --port 8080
    """
    logs.configure()
    settings = load(config)
    mirror = MirrorProcess(settings)
    application = build(settings, mirror, on_startup=mirror.start, on_shutdown=mirror.stop)
    listening = _listen(host or settings.gateway.host, settings.gateway.port if port is None else port)
    server = uvicorn.Server(serving.config(application))
    address = "{}:{}".format(*listening.getsockname()[:2])
    _log.info("serving", action="gateway.serving", address=f"http://{address}/v1", tasks=list(settings.tasks))
    # Once it has stopped in good order, uvicorn raises the signal that asked for it again. An
    # orderly stop is a success, whoever asked.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listening])
    _log.info("stopped", action="gateway.stopped", capture=mirror.outcomes())


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that a used port is known before anything is started."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server((host, port), family=found[0][0], backlog=2048)
    except OSError as fault:
        reason = fault.strerror or str(fault)
        raise UsageError(
            f"cannot listen on {host}:{port}: {reason}; choose another with --port, or `port` under [gateway]"
        ) from None
