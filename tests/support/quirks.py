"""The answers of real providers in `tests/golden/quirks/`, and an endpoint that gives them.

`tests/golden/README.md` describes the files.
"""

import asyncio
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

from shadow.records import Api, Failure
from tests.support.packing import PACK
from tests.support.scripted import Receive, Send

FOLDER: Final = Path(__file__).parents[1] / "golden" / "quirks"
#: The request header that names the file which the endpoint answers with.
HEADER: Final = "x-quirk"
MODEL: Final = "gpt-x"
MESSAGES: Final = [{"role": "user", "content": "hi"}]
_KEPT: Final = frozenset(
    {
        *("content", "reasoning", "refusal", "tool_calls", "finish_reason", "model", "failure"),
        *("prompt_tokens", "completion_tokens"),
    }
)


@dataclass(frozen=True)
class Quirk:
    """One file. `pieces` are the bytes of the answer's body in the parts in which the endpoint sends them."""

    name: str
    api: Api
    stream: bool
    status: int
    headers: dict[str, str]
    pieces: tuple[bytes, ...]
    request: dict[str, Any]
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def failure(self) -> Failure | None:
        return self.kept.get("failure")

    def ask(self) -> dict[str, Any]:
        """The arguments of the client's `create`, without `stream`."""
        asked: dict[str, Any] = {"model": MODEL, "extra_headers": {HEADER: self.name}, **self.request}
        return {**({"messages": MESSAGES} if self.api == "chat" else {"input": "hi"}), **asked}


def load(path: Path) -> Quirk:
    """Read one file. Raises AssertionError for a field that it should not have, or lacks."""
    found = tomllib.loads(path.read_text("utf-8"))
    for name in ("provider", "quirk", "source"):
        assert found.pop(name), f"{path.name}: {name} is missing"
    stream = found.pop("stream", False)
    kind = found.pop("content_type", "text/event-stream" if stream else "application/json")
    headers = {**({"content-type": kind} if kind else {}), **found.pop("headers", {})}
    line_end, encoding = found.pop("line_end", "\n"), found.pop("encoding", "utf-8")
    pieces = [piece.replace("\n", line_end).encode(encoding) for piece in found.pop("pieces", [])]
    if not pieces:
        pieces = [found.pop("body").replace("\n", line_end).encode(encoding)]
    if compressed := found.pop("compressed", ""):
        pieces = [PACK[compressed](b"".join(pieces))]
        headers["content-encoding"] = compressed
    kept = found.pop("kept", {})
    why = kept.pop("why", "")
    assert set(kept) <= _KEPT, f"{path.name}: unknown fields in [kept]"
    assert kept.get("failure") in (None, *get_args(Failure)), f"{path.name}: unknown failure"
    assert why or set(kept) <= {"failure", "reasoning"}, f"{path.name}: say why what is kept differs"
    quirk = Quirk(
        name=path.stem,
        api=found.pop("api", "chat"),
        stream=stream,
        status=found.pop("status", 200),
        headers=headers,
        pieces=tuple(pieces),
        request=found.pop("request", {}),
        kept=kept,
    )
    assert not found, f"{path.name}: unknown fields {sorted(found)}"
    return quirk


def load_all() -> list[Quirk]:
    return [load(path) for path in sorted(FOLDER.glob("*.toml"))]


class QuirkEndpoint:
    """An ASGI app that answers with the file that a request's header names."""

    def __init__(self, quirks: list[Quirk]) -> None:
        self._quirks = {quirk.name: quirk for quirk in quirks}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        asked = json.loads(body + message["body"])
        quirk = self._quirks[dict(scope["headers"])[HEADER.encode()].decode()]
        assert bool(asked.get("stream")) == quirk.stream
        headers = dict(quirk.headers)
        if not quirk.stream:
            headers["content-length"] = str(sum(map(len, quirk.pieces)))
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": quirk.status, "headers": raw})
        for piece in quirk.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})
