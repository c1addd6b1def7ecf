"""A gateway in front of a scripted endpoint, and a publisher that keeps what it is offered."""

import threading
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from shadow.devstack.services.processes import poll_until
from shadow.gateway.app import build
from shadow.gateway.http import serving
from shadow.recording import CapturedCall
from shadow.records import Exchange
from shadow.settings import Settings
from shadow.wire import event_type
from tests.support import services
from tests.support.publishing import messages
from tests.support.scripted import ScriptedEndpoint


@dataclass(repr=False)
class RecordingPublisher:
    """Builds what it is offered at once, and keeps it."""

    settings: Settings
    exchanges: list[Exchange] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    sampled_out: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    room: int = 10**9
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def offer(self, call: CapturedCall, reserved: int = 0) -> bool:
        self.release(reserved)
        with self._lock:
            self.exchanges.append(call.to_exchange(self.settings))
            self.sizes.append(call.size)
        return True

    def reserve(self, size: int) -> bool:
        with self._lock:
            if size > self.room:
                return False
            self.room -= size
        return True

    def release(self, size: int) -> None:
        with self._lock:
            self.room += size

    def refuse(self, task: str, reason: str) -> None:
        self.refused[task, reason] += 1

    def count_sampled_out(self, task: str) -> None:
        self.sampled_out[task] += 1

    def outcomes(self) -> dict[str, dict[str, int]]:
        counts = Counter(exchange.task for exchange in self.exchanges)
        return {task: {"accepted": n, "mirrored": n} for task, n in counts.items()}

    def settled(self, requests: int) -> list[Exchange]:
        """The exchanges of `requests`, once each was offered or sampled out: after its answer's last byte."""
        poll_until(lambda: len(self.exchanges) + self.sampled_out.total() >= requests, timeout=10.0)
        return self.exchanges

    def one(self) -> Exchange:
        """The only exchange offered."""
        [exchange] = self.settled(1)
        return exchange


@dataclass(frozen=True)
class Running:
    """A gateway at `url` (without `/v1`) before an endpoint at `direct`."""

    url: str
    direct: str
    endpoint: ScriptedEndpoint
    publisher: RecordingPublisher


def settings_for(endpoint: str, *, gateway: dict[str, Any] | None = None, **task: Any) -> Settings:
    """A task `intent` on a frontier `big` (called `gpt-x` at `endpoint`) with a candidate `small`."""
    return Settings.model_validate(
        {
            "models": {
                "big": {"base_url": f"{endpoint}/v1", "model": "gpt-x", "api_key_env": "TEST_FRONTIER_KEY"},
                "small": {"base_url": "http://127.0.0.1:9/v1"},
            },
            "tasks": {
                "intent": {
                    "frontier": "big",
                    "candidates": ["small"],
                    "aliases": ["intent-model"],
                    "segments": ["locale"],
                    **task,
                }
            },
            "gateway": gateway or {},
        }
    )


def kafka_messages(settings: Settings) -> list[tuple[str | None, bytes]]:
    """`(ce_type, value)` of every message on the exchanges topic."""
    found = messages(settings.kafka.bootstrap_servers, settings.kafka.topics.exchanges)
    return [(event_type(list(record.headers)), record.value) for record in found]


def run(stack: ExitStack, *answers: Any, gateway: dict[str, Any] | None = None, **task: Any) -> Running:
    """Start both on `stack`."""
    endpoint = ScriptedEndpoint(list(answers))
    direct = stack.enter_context(services.serving(endpoint))
    settings = settings_for(direct, gateway=gateway, **task)
    publisher = RecordingPublisher(settings)
    app = build(settings, publisher)
    url = stack.enter_context(services.serving(app, configured=partial(serving.config, settings=settings.gateway)))
    return Running(url, direct, endpoint, publisher)
