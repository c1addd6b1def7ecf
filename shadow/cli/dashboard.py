"""`shadow dashboard`: serve the pages."""

import os
from contextlib import ExitStack
from typing import Annotated

import typer

from shadow.cli.runtime.options import Config


def command(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: dashboard.host.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port. Default: dashboard.port.")] = None,
    config: Config = None,
) -> None:
    """Serve the pages that show where the candidate is worse.

    Reads the database of shadow.toml, or else the one that `shadow replay` keeps in .shadow/postgres.

    Example: shadow dashboard --port 8501
    """
    from dashboard import launch
    from shadow.cli.runtime import logs
    from shadow.cli.runtime.storage import EMBEDDED, with_database
    from shadow.settings import CONFIG_VARIABLE, POSTGRES_VARIABLE, load

    logs.configure()
    settings = load(config)
    if config is not None:
        # The pages run inside Streamlit and find their settings as every command does.
        os.environ[CONFIG_VARIABLE] = str(config.resolve())
    at_host, at_port = host or settings.dashboard.host, port if port is not None else settings.dashboard.port
    launch.require_free(at_host, at_port)
    with ExitStack() as stack:
        # The pages are served without a database too: they show what is missing.
        if settings.postgres.url is None and EMBEDDED.exists():
            os.environ[POSTGRES_VARIABLE] = stack.enter_context(with_database(settings)).postgres_url()
        typer.echo(f"Dashboard on http://{at_host}:{at_port} (stop with Ctrl-C)")
        launch.serve(at_host, at_port)
