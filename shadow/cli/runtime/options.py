"""Options that several commands have."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Config: TypeAlias = Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")]

HealthPort: TypeAlias = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port of its health page, if another instance runs here.")
]

Since: TypeAlias = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Include only what happened from this time on, UTC."),
]
