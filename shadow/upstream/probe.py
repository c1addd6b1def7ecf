"""Can a model be reached, and does it know us? Asked by `shadow check`, costs no tokens."""

import asyncio

import aiohttp

from shadow.settings import Model

#: An endpoint that does not answer within this is one production would notice.
PROBE_TIMEOUT_S = 5.0


async def probe(name: str, model: Model) -> str | None:
    """What is wrong with the model `name`, with its mend; None when nothing is.

    Asks `GET /models`, which every OpenAI-compatible server has and none charges for. A server
    without it (404, 405) is reachable, and that is all that can be said.
    """
    key = model.api_key()
    if model.api_key_env and not key:
        return f"models.{name}.api_key_env: {model.api_key_env} is not set; export it"
    headers = {"authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.get(f"{model.base_url}/models", allow_redirects=False) as answer,
        ):
            if answer.status in (401, 403):
                mend = f"check the key in {model.api_key_env}" if key else "name a variable in api_key_env"
                return f"models.{name}: HTTP {answer.status} from {model.base_url}; {mend}"
            if answer.status in (404, 405):
                return None
            if answer.status != 200:
                return f"models.{name}: HTTP {answer.status} from {model.base_url}/models; is base_url right?"
            return _served(name, model, await answer.json(content_type=None))
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as fault:
        what = "no answer in time" if isinstance(fault, asyncio.TimeoutError) else str(fault) or type(fault).__name__
        return f"models.{name}.base_url: {model.base_url} cannot be reached ({what}); is it up, and the address right?"


def _served(name: str, model: Model, listing: object) -> str | None:
    """Whether the listing holds the model we mean to ask; silence where it is no listing."""
    entries = listing.get("data") if isinstance(listing, dict) else None
    served = [str(entry["id"]) for entry in entries or [] if isinstance(entry, dict) and "id" in entry]
    wanted = model.model or name
    if not served or wanted in served:
        return None
    shown = ", ".join(served[:5]) + (" …" if len(served) > 5 else "")
    return f"models.{name}.model: {model.base_url} does not serve {wanted!r}; it serves {shown}"
