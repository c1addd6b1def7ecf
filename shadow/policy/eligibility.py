"""Whether a model could serve a request: the rules, as functions of the request and of the model's settings.

A request that the model could not serve says nothing about the model's quality. It is not asked, is no failure of the
model, and is counted by its reason (`records.Ineligibility`). What the settings do not declare is unknown, and the
model is asked; if it turns out to lack something, its error says so (`endpoint_errors`).
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from shadow.policy.relation import WrittenFor
from shadow.policy.request_needs import Needs, least_tokens, needs_of
from shadow.records import Api, Ineligibility, Modality
from shadow.settings import ModelSettings

#: The reason for each modality that a model may lack.
INPUT_REASONS: Final[Mapping[Modality, Ineligibility]] = {
    "image": "image_input",
    "audio": "audio_input",
    "video": "video_input",
    "file": "file_input",
}


class Ineligible(NamedTuple):
    """Why a model cannot serve a request: one of the reasons, and a sentence for people."""

    reason: Ineligibility
    detail: str


def ineligible(
    request: Mapping[str, Any],
    *,
    api: Api,
    model: ModelSettings,
    written_for: WrittenFor = "other_server",
    prompt_cut: bool = False,
    prompt_tokens: int | None = None,
) -> Ineligible | None:
    """Why `model` cannot serve `request`, a recorded JSON body of `api`; None: it can, as far as is known.

    `written_for` relates the model to the one that the request was written for, which has served it. `prompt_cut`:
    the recorded request is not whole. `prompt_tokens` is the length of the prompt as the model that served it reported;
    without it, the length is estimated from below.
    """
    if prompt_cut:
        return Ineligible("prompt_cut", "the request was too large for its message, and was not kept whole")
    needs = needs_of(request)
    if needs.redacted_media:
        return Ineligible("media_unreachable", "a part of the address of an image or a file was redacted")
    if written_for == "same_model":
        return None
    return (
        (_of_one_server(needs) if written_for == "other_server" else None)
        or _undelivered(needs)
        or _lacking(needs, api, model)
        or _too_long(request, model, prompt_tokens)
    )


def _of_one_server(needs: Needs) -> Ineligible | None:
    if needs.state is not None:
        return Ineligible("provider_state", f"it refers to what only the server has that it was sent to: {needs.state}")
    if needs.builtin_tool is not None:
        return Ineligible("builtin_tool", f"it uses a tool of the server that it was sent to: {needs.builtin_tool}")
    return None


def _undelivered(needs: Needs) -> Ineligible | None:
    """What `upstream.request` does not ask of another model."""
    return Ineligible("audio_output", "it asks for a spoken answer") if needs.audio_output else None


def _lacking(needs: Needs, api: Api, model: ModelSettings) -> Ineligible | None:
    if model.apis is not None and api not in model.apis:
        return Ineligible("api_unsupported", f"it uses the API {api!r}, and apis are {_names(model.apis)}")
    if model.modalities is not None:
        for modality in needs.modalities:
            if modality not in model.modalities:
                detail = f"it holds {modality} input, and modalities are {_names(model.modalities)}"
                return Ineligible(INPUT_REASONS[modality], detail)
    if needs.tools and model.tools is False:
        return Ineligible("tools_unsupported", "it offers tools, and the model has tools = false")
    if needs.logprobs and model.logprobs is False:
        return Ineligible("logprobs_unsupported", "it asks for logprobs, and the model has logprobs = false")
    return None


def _too_long(request: Mapping[str, Any], model: ModelSettings, prompt_tokens: int | None) -> Ineligible | None:
    """Whether the prompt leaves no room for a single token of the reply."""
    if model.context_tokens is None:
        return None
    tokens = least_tokens(request) if prompt_tokens is None else prompt_tokens
    if tokens < model.context_tokens:
        return None
    known = (
        f"at least {tokens:,} tokens by its text" if prompt_tokens is None else f"{tokens:,} tokens as it was served"
    )
    return Ineligible("context_length", f"the prompt has {known}, and context_tokens is {model.context_tokens:,}")


def _names(values: tuple[str, ...]) -> str:
    return ", ".join(values)
