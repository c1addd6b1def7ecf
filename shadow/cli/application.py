"""The Typer application that `shadow.cli.main` runs, with one real sub-command or none."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer

from shadow.cli import COMMANDS

EPILOG = "Example: shadow demo    ·    shadow COMMAND --help shows one of each."


def build(name: str | None, command: Callable[..., Any] | typer.Typer | None) -> typer.Typer:
    """An application that lists every sub-command and can run `name`.

    The others are listed by their line of help alone: their modules are not imported.
    """
    application = typer.Typer(
        help="Move LLM work to a small model safely: shadow-mode mirroring and regret tracking.",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.callback()(_root)
    for listed, line in COMMANDS.items():
        if listed != name or command is None:
            application.command(listed, help=line)(_not_loaded)
        elif isinstance(command, typer.Typer):
            application.add_typer(command, name=listed, short_help=line)
        else:
            application.command(listed, short_help=line)(command)
    return application


def _root(
    *,
    version: Annotated[bool, typer.Option("--version", callback=lambda v: _version(shown=v), is_eager=True)] = False,
) -> None:
    """Options that belong to `shadow` itself."""


def _version(*, shown: bool) -> None:
    if shown:
        typer.echo(f"shadow-regret {version('shadow-regret')}")
        raise typer.Exit


def _not_loaded() -> None:
    """Stand in for a sub-command that is only being listed."""
