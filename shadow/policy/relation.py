"""How a model that is asked relates to the one that the recorded request was written for."""

from typing import Literal, TypeAlias

from shadow.settings import Settings

WrittenFor: TypeAlias = Literal["same_model", "same_server", "other_server"]


def relation(settings: Settings, *, origin: str | None, asked: str) -> WrittenFor:
    """How `asked` relates to `origin`, the model that the request was written for; both are names in [models].

    A model that is not in [models], or None, counts as one of another server.
    """
    if origin == asked:
        return "same_model"
    model, other = settings.models.get(asked), settings.models.get(origin or "")
    if model is None or other is None or model.base_url != other.base_url:
        return "other_server"
    return "same_model" if settings.sent_name(asked) == settings.sent_name(origin or "") else "same_server"
