"""The shadow.toml that the demo writes for itself: a file to read, and to start one's own from."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shadow.devstack import workloads, world
from shadow.devstack.processes import free_port
from shadow.devstack.simulated import SimulatedModels
from shadow.errors import UsageError
from shadow.records import Role

#: List prices of a frontier model and of a hosted 7B, so that the cost column shows a difference.
_PRICES: Final[dict[Role, tuple[float, float]]] = {"frontier": (2.5, 10.0), "candidate": (0.1, 0.2)}
#: The candidate answers the whole past in well under a minute.
_CONCURRENCY: Final[dict[Role, int]] = {"frontier": 128, "candidate": 256}


@dataclass(frozen=True, kw_only=True)
class Models:
    """Which of the two models are real: a url, the name it serves, where its key is."""

    frontier_url: str | None
    frontier_name: str | None
    frontier_key_env: str | None
    candidate_url: str | None
    candidate_name: str | None
    candidate_key_env: str | None

    def __post_init__(self) -> None:
        for role, url, name in (
            ("frontier", self.frontier_url, self.frontier_name),
            ("candidate", self.candidate_url, self.candidate_name),
        ):
            if bool(url) != bool(name):
                raise UsageError(f"--{role}-url and --{role}-model belong together: give both or neither")

    @property
    def all_simulated(self) -> bool:
        return not self.frontier_url and not self.candidate_url

    @property
    def any_simulated(self) -> bool:
        return not (self.frontier_url and self.candidate_url)


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the services listen, on loopback."""

    gateway: int
    dashboard: int
    worker: int
    scorer: int

    @classmethod
    def beside(cls, *, gateway: int, dashboard: int) -> "Ports":
        """The two that people use as given; the health ports wherever there is room."""
        return cls(gateway=gateway, dashboard=dashboard, worker=free_port(), scorer=free_port())

    def items(self) -> Iterable[tuple[str, int]]:
        return (("gateway", self.gateway), ("dashboard", self.dashboard))


def write_settings(path: Path, models: Models, ports: Ports, simulated: SimulatedModels) -> Path:
    """Write the demo's shadow.toml to `path`; broker and database come from the environment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_lines(models, ports, simulated)) + "\n", encoding="utf-8")
    return path


def _lines(models: Models, ports: Ports, simulated: SimulatedModels) -> Iterable[str]:
    yield "# Written by `shadow demo`. Broker and database come from SHADOW_KAFKA and SHADOW_POSTGRES."
    frontier = models.frontier_name or simulated.model_name("frontier")
    candidate = models.candidate_name or simulated.model_name("candidate")
    yield from _model("frontier", frontier, models.frontier_url, models.frontier_key_env, simulated)
    yield from _model("candidate", candidate, models.candidate_url, models.candidate_key_env, simulated)
    for task, kind in workloads.KINDS.items():
        yield ""
        yield f"[tasks.{task}]"
        yield f"frontier = {json.dumps(frontier)}"
        yield f"candidates = [{json.dumps(candidate)}]"
        yield f'kind = "{kind}"'
        yield f"segments = {json.dumps(list(world.SEGMENTS))}"
        yield "ceiling_rate = 0.1"
        yield f"max_age_s = {int(world.HISTORY.total_seconds() * 2)} # the past is weeks old"
    yield ""
    # The embedded broker lets nobody in before half a session has passed.
    yield "[kafka]\nsession_timeout_s = 3"
    yield f"[gateway]\nport = {ports.gateway}"
    yield f"[worker]\nhealth_port = {ports.worker}"
    yield f"[scorer]\nhealth_port = {ports.scorer}"
    yield f"[dashboard]\nport = {ports.dashboard}"


def _model(role: Role, name: str, url: str | None, key_env: str | None, simulated: SimulatedModels) -> Iterable[str]:
    yield ""
    yield f"[models.{json.dumps(name)}]"
    yield f"base_url = {json.dumps(url or simulated.url(role))}"
    yield f"concurrency = {_CONCURRENCY[role]}"
    if key_env:
        yield f"api_key_env = {json.dumps(key_env)}"
    if url is None:
        yield "simulated = true"
        yield "input_usd_per_million = {}\noutput_usd_per_million = {}".format(*_PRICES[role])
