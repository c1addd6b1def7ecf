"""The Typer application that `shadow.cli.main` runs: every sub-command listed, one of them loaded."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer

from shadow.cli import COMMANDS

EPILOG = "Example: shadow demo    ·    shadow COMMAND --help shows an example of each command."


def build(name: str | None, command: Callable[..., Any] | typer.Typer | None) -> typer.Typer:
    """An application that lists every sub-command and can run `command` as `name`.

    The other sub-commands appear with their line of help only: their modules are not imported.
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
    for listed, (group, line, _) in COMMANDS.items():
        if listed != name or command is None:
            application.command(listed, help=line, rich_help_panel=group)(_not_loaded)
        elif isinstance(command, typer.Typer):
            application.add_typer(command, name=listed, short_help=line, rich_help_panel=group)
        else:
            application.command(listed, short_help=line, rich_help_panel=group)(command)
    return application


def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=lambda v: _version(shown=v), is_eager=True
        ),
    ] = False,
) -> None:
    """Options that belong to `shadow` itself."""


def _version(*, shown: bool) -> None:
    if shown:
        typer.echo(f"shadow-regret {version('shadow-regret')}")
        raise typer.Exit


def _not_loaded() -> None:
    """Stand in for a sub-command that is only listed."""
