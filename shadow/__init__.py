"""Shadow-mode mirroring and regret tracking for LLM tasks.

from shadow import mirror
client = mirror(OpenAI(), task="ticket-intent")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shadow.capture import context, mirror

__all__ = ["context", "mirror"]


def __getattr__(name: str) -> Any:
    # Loaded on demand: most of the package is also used by programs that mirror nothing.
    if name in __all__:
        return getattr(import_module("shadow.capture"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
