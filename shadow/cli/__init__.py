"""The `shadow` command: the composition root, with one file per sub-command.

`main` imports only the sub-command that was asked for, and a sub-command's file imports what it
runs inside its functions. So every `--help` appears at once, a gateway never loads Streamlit, and
an SDK-only install needs nothing that it lacks. `tests/unit/cli/test_imports.py` checks this.

application  the Typer application: all commands listed, one of them loaded
demo/        `shadow demo`
replay/      `shadow replay`
output/      what commands print and write
runtime/     what commands share while they run
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Final, NamedTuple

from shadow.errors import ShadowError

#: Exit code of a command that finished, but could not read, store or pay for some of its lines.
EXIT_INCOMPLETE: Final = 3


class Listed(NamedTuple):
    """A sub-command as `shadow --help` lists it. `extra` is what to install where its dependencies are missing."""

    group: str
    line: str
    extra: str = "embedded"


#: The sub-commands, in the order in which they are listed. Each is `command` of `shadow.cli.<name>`.
COMMANDS: Final[Mapping[str, Listed]] = {
    "demo": Listed("Try", "Run everything on this machine with simulated models."),
    "gateway": Listed("Capture", "Serve the OpenAI-compatible proxy that mirrors production requests.", "gateway"),
    "up": Listed("Services", "Run all services together, from one shadow.toml."),
    "worker": Listed("Services", "Send mirrored requests to the other model.", "workers"),
    "scorer": Listed("Services", "Compare the two replies of each pair and store the result.", "workers"),
    "judge": Listed("Services", "Ask a model which reply is better, and calibrate it against people.", "workers"),
    "monitor": Listed("Services", "Watch the evidence and open incidents.", "workers"),
    "dashboard": Listed("Services", "Serve the pages that show where the candidate is worse.", "dashboard"),
    "replay": Listed("Evidence", "Score recorded pairs from files; needs no broker."),
    "report": Listed("Evidence", "Print the stored evidence, or write it as JSON."),
    "export": Listed("Evidence", "Write stored pairs as JSON lines."),
    "label": Listed("Evidence", "Import and export people's labels of pairs."),
    "check": Listed("Operate", "Check shadow.toml, the broker, the database and every model."),
    "migrate": Listed("Operate", "Bring the database schema to this version.", "store"),
    "prune": Listed("Operate", "Delete payloads and rows that are past their retention.", "store"),
}

_OUR_PACKAGES: Final = ("shadow", "scoring", "consumers", "dashboard")


def main() -> None:
    """Entry point: run one sub-command. A user's mistake is reported in one line, without a traceback."""
    try:
        _run()
    except ShadowError as error:
        for line in str(error).splitlines() or [type(error).__name__]:
            sys.stderr.write(f"shadow: {line}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)


def _run() -> None:
    name = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    try:
        application = import_module("shadow.cli.application")
        command = import_module(f"shadow.cli.{name}").command if name in COMMANDS else None
        application.build(name if command else None, command)()
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] in _OUR_PACKAGES:
            raise
        extra = COMMANDS[name].extra if name in COMMANDS else "embedded"
        sys.exit(f"shadow: this needs {missing.name}; install it with: pip install 'shadow-regret[{extra}]'")
