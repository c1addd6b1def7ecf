"""The options of `shadow demo`."""

from pathlib import Path
from typing import Annotated

import typer

from shadow.cli.demo import folder as demo_folder


def command(
    frontier_url: Annotated[
        str | None, typer.Option(help="URL of a real frontier, up to /v1. Default: a simulated one.")
    ] = None,
    frontier_model: Annotated[str | None, typer.Option(help="Model name of the real frontier.")] = None,
    frontier_key_env: Annotated[
        str | None, typer.Option(help="Environment variable with the API key of the real frontier.")
    ] = None,
    candidate_url: Annotated[
        str | None, typer.Option(help="URL of a real candidate, up to /v1. Default: a simulated one.")
    ] = None,
    candidate_model: Annotated[str | None, typer.Option(help="Model name of the real candidate.")] = None,
    candidate_key_env: Annotated[
        str | None, typer.Option(help="Environment variable with the API key of the real candidate.")
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(min=0, help="Days of simulated history. Default: 21, or none with a real model."),
    ] = None,
    exchanges: Annotated[int, typer.Option(min=1, help="Exchanges in that history.")] = 20_000,
    per_second: Annotated[float, typer.Option(min=0.1, help="Live requests per second.")] = 1.0,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the dashboard.")] = 8501,
    gateway_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the gateway.")] = 8080,
    folder: Annotated[
        Path, typer.Option(help="Folder for its files. It must be new, empty or a demo's; each start empties it.")
    ] = demo_folder.DEFAULT,
) -> None:
    """Run everything on this machine with simulated models.

    Starts PostgreSQL and a Kafka-protocol broker inside the project folder, sends three weeks of
    simulated traffic through the real pipeline with their own timestamps, and goes on with live
    traffic until Ctrl-C. No data leaves this machine, unless you name a real model.

    Example: shadow demo

    Example: shadow demo --candidate-url http://localhost:8000/v1 --candidate-model my-7b
    """
    from shadow.cli.demo.run import run
    from shadow.cli.demo.settings import Models

    models = Models(
        frontier_url=frontier_url,
        frontier_name=frontier_model,
        frontier_key_env=frontier_key_env,
        candidate_url=candidate_url,
        candidate_name=candidate_model,
        candidate_key_env=candidate_key_env,
    )
    run(
        models,
        days=days,
        exchanges=exchanges,
        per_second=per_second,
        port=port,
        gateway_port=gateway_port,
        folder=folder,
    )
