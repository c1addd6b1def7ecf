"""Which task a request belongs to, which endpoint serves it, and which bytes are sent there. No I/O."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shadow.errors import ConfigError
from shadow.openai_api.json_text import without_halves
from shadow.policy import identify
from shadow.records import Api, Role
from shadow.settings import ModelSettings, Settings, TaskSettings

#: Larger bodies with half a character are not read: that would hold up other requests.
_MAX_MENDED_BYTES: Final = 2**20
#: Why a request is not mirrored, for the metrics.
BAD_JSON: Final = "bad_json"
NO_TASK: Final = "no_task"
UNKNOWN_TASK: Final = "unknown_task"
BACKGROUND: Final = "background"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that requests go to: `name` in [models], called `sent_name` there.

    `public`: clients address it by a task, an alias, or nothing, so that credentials of their own are meant
    for it. A client that names any other entry of [models] must not send its key there.
    """

    name: str
    model: ModelSettings
    sent_name: str
    public: bool = True


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request goes. `task` is one of the settings; `unmirrored` is why it is not mirrored, or None."""

    target: Target
    body: bytes
    task: str | None = None
    arm: Role = "frontier"
    unit: str | None = None
    unmirrored: str | None = None


class _Head(msgspec.Struct):
    """The fields of a body that routing needs; the others are checked to be JSON and not decoded."""

    model: Any = None
    metadata: Any = None
    user: Any = None
    background: Any = None


_read_head = msgspec.json.Decoder(_Head).decode
_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Router:
    """Routes requests by the settings it was made from.

    Raises ConfigError where the settings leave it no endpoint to forward to.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._our_names = {alias for task in settings.tasks.values() for alias in task.aliases} | settings.models.keys()
        default = settings.gateway.upstream or next((task.frontier for task in settings.tasks.values()), None)
        if default is None:
            raise ConfigError(
                "gateway: nothing to forward to; add a [tasks.NAME] with a frontier, "
                "or name one of [models] as `upstream` under [gateway]"
            )
        public = {default} | {task.frontier for task in settings.tasks.values()}
        self._targets = {
            name: Target(name=name, model=model, sent_name=settings.sent_name(name), public=name in public)
            for name, model in settings.models.items()
        }
        self._default = self._targets[default]

    @property
    def targets(self) -> Mapping[str, Target]:
        """Every endpoint a request can go to, by its name in [models]."""
        return self._targets

    def route_unread(self, own_headers: Mapping[str, str]) -> Target:
        """The target of a request whose body is not read: by its task header alone."""
        task = self._settings.tasks.get(own_headers.get(identify.TASK_HEADER, ""))
        return self._targets[_arm(task)[1]] if task else self._default

    def route(self, api: Api, body: bytes, own_headers: Mapping[str, str]) -> Route:
        """Where a request to a mirrored path goes.

        A body that is not a JSON object goes out unchanged: the endpoint explains what is wrong
        with it.
        """
        readable = body
        try:
            head = _read_head(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            # Half an emoji, where an application in JavaScript cut a text. Servers accept it, msgspec does not.
            is_half = any(word in str(error) for word in ("surrogate", "escape"))
            readable = without_halves(body) if is_half and len(body) <= _MAX_MENDED_BYTES else b""
            try:
                head = _read_head(readable)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return Route(target=self.route_unread(own_headers), body=body, unmirrored=BAD_JSON)
        fields = {"model": head.model, "metadata": head.metadata, "user": head.user}
        name = identify.task_of(self._settings, fields, own_headers)
        task = self._settings.tasks.get(name) if name else None
        if name is None or task is None:
            target = self._targets.get(head.model) if isinstance(head.model, str) else None
            target = target or self._default
            reason = NO_TASK if name is None else UNKNOWN_TASK
            return Route(target=target, body=self._renamed(body, readable, head.model, target), unmirrored=reason)
        arm, served_by = _arm(task)
        target = self._targets[served_by]
        return Route(
            target=target,
            body=self._renamed(body, readable, head.model, target),
            task=name,
            arm=arm,
            unit=identify.unit_of(fields, own_headers),
            # The answer to this request is a receipt; the reply comes with some later request.
            unmirrored=BACKGROUND if api == "responses" and head.background else None,
        )

    def _renamed(self, body: bytes, readable: bytes, model: object, target: Target) -> bytes:
        """`body` with the endpoint's own model name where the client used one of our names.

        Every other value keeps its bytes in `readable`, which is `body` itself unless that holds half a character; a
        body that names a real model stays as it is.
        """
        if not isinstance(model, str) or model not in self._our_names or model == target.sent_name:
            return body
        fields = _read_fields(readable)
        fields["model"] = msgspec.Raw(msgspec.json.encode(target.sent_name))
        return msgspec.json.encode(fields)


def _arm(task: TaskSettings) -> tuple[Role, str]:
    """Who serves a request of `task`, as a role and a name in [models].

    The one place that decides it: a share of the traffic for the candidate would start here.
    """
    return "frontier", task.frontier
