"""What is sent when another model is asked what production asked."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shadow.records import Api

PATHS: Final[dict[Api, str]] = {"chat": "/chat/completions", "responses": "/responses"}

#: Parameters that say how production wants its reply delivered, kept or attributed, and
#: nothing of what the reply should be. `metadata` goes with `store`: endpoints refuse one
#: without the other. Of several choices (`n`) only the first is ever compared.
_LEFT_OUT: Final = frozenset(
    {
        "stream",
        "stream_options",
        "store",
        "metadata",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "background",
        "n",
    }
)


def prepare(request: Mapping[str, Any], *, model: str) -> bytes:
    """The JSON body that asks `model` the same thing, tools included, as one whole answer.

    Raises ValueError or TypeError for what JSON cannot carry (a lone surrogate, an object key).
    """
    kept = {name: value for name, value in request.items() if name not in _LEFT_OUT}
    return msgspec.json.encode({**kept, "model": model, "stream": False})
