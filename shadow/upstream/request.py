"""The request body that asks another model what production asked."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shadow.records import Api

PATHS: Final[dict[Api, str]] = {"chat": "/chat/completions", "responses": "/responses"}

#: Parameters that say how the reply is delivered, stored or attributed, and nothing about its content.
#: `metadata` is left out with `store`, because endpoints refuse one without the other. Of several choices (`n`)
#: only the first is compared.
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

    Raises ValueError or TypeError for what JSON cannot represent (a lone surrogate, an object key).
    """
    kept = {name: value for name, value in request.items() if name not in _LEFT_OUT}
    return msgspec.json.encode({**kept, "model": model, "stream": False})
