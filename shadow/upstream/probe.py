"""Whether a model can be reached and accepts the key: for `shadow check`, at no cost in tokens."""

import re
import ssl
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from shadow.settings import ModelSettings
from shadow.upstream.environment_proxy import proxy_for, without_userinfo

#: Production would notice an endpoint that takes longer than this.
PROBE_TIMEOUT_S = 5.0

#: The usual form of a variable's name. Anything else may be a key written where its name belongs: never print it.
_VARIABLE_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")

#: Where servers tell the length of a model's context: vLLM and SGLang, OpenRouter, Groq, Mistral.
_CONTEXT_KEYS: Final = ("max_model_len", "context_length", "context_window", "max_context_length")

_CHECK_UP: Final = "check that it runs, and the address"
_CHECK_PATH: Final = "check the address, which usually ends in /v1"


async def probe(name: str, model: ModelSettings) -> str | None:
    """What is wrong with the model `name`: the key of the setting, the problem and its fix. None: nothing.

    Requests `GET /models`, which nearly every OpenAI-compatible server has and none charges for.
    Where it is missing (404, 405), an empty chat request shows whether the address leads anywhere.
    """
    key = model.api_key()
    if model.api_key_env and not key:
        return f"models.{name}.api_key_env: {_variable(model)} is not set; export it"
    if key and not (key.isascii() and key.isprintable()):
        return f"models.{name}.api_key_env: the value of {_variable(model)} is not a key; export it without line breaks"
    headers = {"authorization": f"Bearer {key}"} if key else {}
    timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout, proxy=proxy_for(model.base_url)) as session:
            return await _probe_models(session, name, model, headers)
    except TimeoutError:
        return f"models.{name}.base_url: {model.base_url} does not answer within {PROBE_TIMEOUT_S:g} s; {_CHECK_UP}"
    except ssl.SSLCertVerificationError as error:
        fix = "use the host name it was issued for, or set SSL_CERT_FILE to the authority that signed it"
        return f"models.{name}.base_url: {model.base_url} has a certificate that is not trusted ({error}); {fix}"
    except ssl.SSLError as error:
        return f"models.{name}.base_url: {model.base_url} does not speak TLS ({error}); if it serves plain HTTP, write http://"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        problem = without_userinfo(str(error)) or type(error).__name__
        return f"models.{name}.base_url: {model.base_url} cannot be reached ({problem}); {_CHECK_UP}"


async def _probe_models(
    session: aiohttp.ClientSession, name: str, model: ModelSettings, headers: dict[str, str]
) -> str | None:
    # The headers are given with each request: aiohttp would send a session's to the proxy too, unencrypted.
    async with session.get(f"{model.base_url}/models", headers=headers, allow_redirects=False) as answer:
        if answer.status == 200:
            try:
                return _served(name, model, await answer.json(content_type=None))
            except ValueError:
                return f"models.{name}.base_url: {model.base_url}/models does not answer with JSON; {_CHECK_PATH}"
        if answer.status not in (404, 405):
            return _refused(name, model, answer.status, "/models")
    url = f"{model.base_url}/chat/completions"
    async with session.post(url, json={}, headers=headers, allow_redirects=False) as answer:
        # Any other status means that chat completions exist there, and refuse an empty request.
        understood = answer.status not in (401, 403, 404, 405) and not 300 <= answer.status < 400
        return None if understood else _refused(name, model, answer.status, "/chat/completions")


def _refused(name: str, model: ModelSettings, status: int, path: str) -> str:
    if status in (401, 403):
        fix = f"check the key in {_variable(model)}" if model.api_key_env else "name the variable that holds its key"
        return f"models.{name}.api_key_env: HTTP {status} from {model.base_url}; {fix}"
    return f"models.{name}.base_url: HTTP {status} from {model.base_url}{path}; {_CHECK_PATH}"


def _variable(model: ModelSettings) -> str:
    named = model.api_key_env or ""
    return named if _VARIABLE_NAME.fullmatch(named) else "the variable named here (its name, never the key)"


def _served(name: str, model: ModelSettings, listing: object) -> str | None:
    """The problem, if the listing does not name the model, or names a shorter context than the settings.

    None also where the answer is not a listing.
    """
    entries = listing.get("data") if isinstance(listing, dict) else None
    served = {str(entry["id"]): entry for entry in entries or [] if isinstance(entry, dict) and "id" in entry}
    wanted = model.model or name
    if wanted in served:
        return _context(name, model, served[wanted])
    if not served:
        return None
    shown = ", ".join(list(served)[:5]) + (" …" if len(served) > 5 else "")
    return f"models.{name}.model: {model.base_url} does not serve {wanted!r}; it serves {shown}"


def _context(name: str, model: ModelSettings, entry: Mapping[str, Any]) -> str | None:
    """The problem, if the settings declare a longer context than the server tells."""
    known = next((entry[key] for key in _CONTEXT_KEYS if isinstance(entry.get(key), int)), None)
    if known is None or model.context_tokens is None or model.context_tokens <= known:
        return None
    return f"models.{name}.context_tokens: {model.base_url} serves a context of {known} tokens; write at most that"
