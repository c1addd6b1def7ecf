"""The `shadow` command: the composition root, one file per sub-command.

Only the sub-command that was asked for is imported, so `shadow --help` is instant and a
gateway never loads Streamlit, nor an SDK-only install anything it lacks.
"""

import sys
from importlib import import_module
from typing import Final

from shadow.errors import ShadowError

#: Sub-command -> its line in `shadow --help`. Each lives in `shadow.cli.<name>` as `command`.
COMMANDS: Final = {
    "demo": "Run everything on this machine with simulated models, and watch it work.",
    "up": "Run every service together, from one shadow.toml.",
    "gateway": "Serve the OpenAI-compatible proxy that mirrors production requests.",
    "worker": "Ask the other model what production asked.",
    "scorer": "Compare the replies and keep the evidence.",
    "judge": "Ask a model which reply is better, and hold it against people.",
    "monitor": "Watch the evidence, and open an incident where something goes wrong.",
    "dashboard": "Serve the pages that show where the candidate is worse.",
    "migrate": "Bring the database schema to this version.",
    "check": "Check shadow.toml, the broker, the database and every model.",
    "replay": "Judge recorded pairs from a file; needs no broker.",
    "report": "Print, or write as JSON, the evidence that is stored.",
    "export": "Write stored pairs as JSON lines.",
    "label": "Bring in what people say of pairs of replies, and take it out.",
    "prune": "Delete payloads and rows that are past their retention.",
}

#: What to install when a sub-command's dependencies are missing.
EXTRAS: Final = {
    "gateway": "gateway",
    "worker": "workers",
    "scorer": "workers",
    "judge": "workers",
    "monitor": "workers",
    "dashboard": "dashboard",
    "migrate": "store",
    "prune": "store",
}


def main() -> None:
    """Entry point: run one sub-command; a user's mistake is one line, never a traceback."""
    try:
        _run()
    except ShadowError as fault:
        for line in str(fault).splitlines() or [type(fault).__name__]:
            sys.stderr.write(f"shadow: {line}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)


def _run() -> None:
    name = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None)
    try:
        application = import_module("shadow.cli.application")
        command = import_module(f"shadow.cli.{name}").command if name in COMMANDS else None
    except ModuleNotFoundError as missing:
        if missing.name and missing.name.partition(".")[0] in ("shadow", "scoring", "consumers", "dashboard"):
            raise
        extra = EXTRAS.get(name or "", "embedded")
        sys.exit(f"shadow: this needs {missing.name}; install it with: pip install 'shadow-regret[{extra}]'")
    application.build(name if command else None, command)()
