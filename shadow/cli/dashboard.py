"""`shadow dashboard`: serve the pages."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from dashboard.launch import require_free, serve
from shadow.cli.runtime import logs
from shadow.cli.runtime.storage import EMBEDDED, located
from shadow.settings import CONFIG_VARIABLE, POSTGRES_VARIABLE, load


def command(
    *,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, instead of dashboard.host in the file.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on, instead of dashboard.port in the file.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
) -> None:
    """Serve the pages that show where the candidate is worse.

    Reads the database of shadow.toml, or what `shadow replay` stored in .shadow/postgres.

    Example: shadow dashboard --port 8501
    """
    logs.configure()
    settings = load(config)
    if config is not None:
        # The pages run inside Streamlit and find their settings the way every command does.
        os.environ[CONFIG_VARIABLE] = str(config.resolve())
    at_host, at_port = host or settings.dashboard.host, port if port is not None else settings.dashboard.port
    require_free(at_host, at_port)
    with ExitStack() as stack:
        # Without any database the pages are served all the same: they say what is missing.
        if settings.postgres.url is None and EMBEDDED.exists():
            os.environ[POSTGRES_VARIABLE] = stack.enter_context(located(settings)).postgres_url()
        typer.echo(f"Dashboard on http://{at_host}:{at_port} (stop with Ctrl-C)")
        serve(at_host, at_port)
