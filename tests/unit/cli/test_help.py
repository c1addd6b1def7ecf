"""Every command shows how it is called."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from scoring.scorers import SCORERS
from shadow.cli import COMMANDS, application
from shadow.cli.replay.command import SCORER_NAMES


def walked(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """A command and all below it: how it is called, and its help."""
    yield name, f"{command.help}\n{command.epilog}"
    if isinstance(command, TyperGroup):
        for word, below in command.commands.items():
            yield from walked(below, f"{name} {word}")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_all_below_it_show_an_example_of_themselves(name: str) -> None:
    built = typer.main.get_command(application.build(name, import_module(f"shadow.cli.{name}").command))
    assert isinstance(built, TyperGroup)
    found = dict(walked(built.commands[name], f"shadow {name}"))
    assert [called for called, text in found.items() if f"Example: {called}" not in text] == []


def test_the_list_of_commands_shows_an_example_too() -> None:
    (_, text), *_ = walked(typer.main.get_command(application.build(None, None)), "shadow")
    assert "Example: shadow " in text


def test_the_help_of_replay_names_every_scorer() -> None:
    assert ", ".join(sorted(SCORERS)) == SCORER_NAMES


def test_every_command_is_in_a_group() -> None:
    built = typer.main.get_command(application.build(None, None))
    assert isinstance(built, TyperGroup)
    panels = [getattr(command, "rich_help_panel", None) for command in built.commands.values()]
    assert list(dict.fromkeys(panels)) == ["Try", "Capture", "Services", "Evidence", "Operate"]
