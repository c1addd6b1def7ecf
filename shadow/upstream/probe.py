"""Can a model be reached, and does it know us? Asked by `shadow check`, costs no tokens."""

import re
import ssl
from typing import Final

import aiohttp

from shadow.settings import ModelSettings

#: An endpoint that does not answer within this is one production would notice.
PROBE_TIMEOUT_S = 5.0

#: How variables are usually called. What is not like that may be a key that was put in the name's place.
_LIKE_A_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*")

_UP: Final = "is it up, and the address right?"
_PATH: Final = "is the address right, up to and including /v1?"


async def probe(name: str, model: ModelSettings) -> str | None:
    """What is wrong with the model `name`: the key of the setting, the fault and its mend; None when nothing is.

    Asks `GET /models`, which nearly every OpenAI-compatible server has and none charges for. Where there is
    none (404, 405), a request without a question tells whether the address leads anywhere.
    """
    key = model.api_key()
    if model.api_key_env and not key:
        return f"models.{name}.api_key_env: {_variable(model)} is not set; export it"
    if key and not (key.isascii() and key.isprintable()):
        return f"models.{name}.api_key_env: what {_variable(model)} holds is no key; export it without line breaks"
    headers = {"authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
            return await _asked(session, name, model)
    except TimeoutError:
        return f"models.{name}.base_url: {model.base_url} does not answer within {PROBE_TIMEOUT_S:g} s; {_UP}"
    except ssl.SSLCertVerificationError as fault:
        mend = "use the name it was made for, or let SSL_CERT_FILE name who signed it"
        return f"models.{name}.base_url: {model.base_url} shows a certificate that is not trusted ({fault}); {mend}"
    except ssl.SSLError as fault:
        return f"models.{name}.base_url: {model.base_url} speaks no TLS that we do ({fault}); is it http:// there?"
    except (aiohttp.ClientError, OSError, ValueError) as fault:
        return f"models.{name}.base_url: {model.base_url} cannot be reached ({fault or type(fault).__name__}); {_UP}"


async def _asked(session: aiohttp.ClientSession, name: str, model: ModelSettings) -> str | None:
    async with session.get(f"{model.base_url}/models", allow_redirects=False) as answer:
        if answer.status == 200:
            try:
                return _served(name, model, await answer.json(content_type=None))
            except ValueError:
                return f"models.{name}.base_url: {model.base_url}/models does not answer with JSON; {_PATH}"
        if answer.status not in (404, 405):
            return _refused(name, model, answer.status, "/models")
    async with session.post(f"{model.base_url}/chat/completions", json={}, allow_redirects=False) as answer:
        # Any other answer is one to the question, and there was none.
        understood = answer.status not in (401, 403, 404, 405) and not 300 <= answer.status < 400
        return None if understood else _refused(name, model, answer.status, "/chat/completions")


def _refused(name: str, model: ModelSettings, status: int, path: str) -> str:
    if status in (401, 403):
        mend = f"check the key in {_variable(model)}" if model.api_key_env else "name the variable that holds its key"
        return f"models.{name}.api_key_env: HTTP {status} from {model.base_url}; {mend}"
    return f"models.{name}.base_url: HTTP {status} from {model.base_url}{path}; {_PATH}"


def _variable(model: ModelSettings) -> str:
    named = model.api_key_env or ""
    return named if _LIKE_A_VARIABLE.fullmatch(named) else "the variable named here (its name, never the key)"


def _served(name: str, model: ModelSettings, listing: object) -> str | None:
    """Whether the listing holds the model we mean to ask; silence where it is no listing."""
    entries = listing.get("data") if isinstance(listing, dict) else None
    served = [str(entry["id"]) for entry in entries or [] if isinstance(entry, dict) and "id" in entry]
    wanted = model.model or name
    if not served or wanted in served:
        return None
    shown = ", ".join(served[:5]) + (" …" if len(served) > 5 else "")
    return f"models.{name}.model: {model.base_url} does not serve {wanted!r}; it serves {shown}"
