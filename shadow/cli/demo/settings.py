"""The shadow.toml that the demo writes for itself, which can also be the start of your own."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from shadow.devstack.model_servers.process import NAMES, Part, SimulatedModels
from shadow.devstack.services.processes import free_port
from shadow.devstack.simulation import timeline, workloads, world
from shadow.errors import UsageError
from shadow.records import Role
from shadow.settings import ModelSettings
from shadow.settings.problems import problems_of

#: List prices of a frontier model, a hosted 7B and a small judge, so that the cost column shows a difference.
_PRICES: Final[Mapping[Part, tuple[float, float]]] = {
    "frontier": (2.5, 10.0),
    "candidate": (0.1, 0.2),
    "judge": (0.15, 0.6),
}
#: The candidate answers the whole history in well under a minute. The judge is slower, so that it
#: takes no processor time from the rest.
_CONCURRENCY: Final[Mapping[Part, int]] = {"frontier": 128, "candidate": 256, "judge": 24}

#: Mean regret that the owners accept: above the candidate's on an average day, below that in its bad
#: segment.
_REGRET_LIMIT: Final = 0.10
#: Rubrics of the judged tasks. Invoices have references and need no judge.
_RUBRICS: Final = {
    "ticket-intent": "The better reply names what the customer wants. Ignore case and punctuation.",
    "reply-draft": "The better reply answers what the customer asked, in the customer's language.",
}
#: The task without references is judged more often.
_JUDGE_RATES: Final = {"ticket-intent": 0.25, "reply-draft": 0.5}
_JUDGE_USD_PER_DAY: Final = 5.0
_REVIEWS_PER_DAY: Final = 100
#: Share of the exchanges served by the candidate that the frontier answers too.
_REGRET_RATE: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Models:
    """Which of the two models are real: the URL, the model's name, and the variable with its key."""

    frontier_url: str | None
    frontier_name: str | None
    frontier_key_env: str | None
    candidate_url: str | None
    candidate_name: str | None
    candidate_key_env: str | None

    def __post_init__(self) -> None:
        for role, url, name, key_env in (
            ("frontier", self.frontier_url, self.frontier_name, self.frontier_key_env),
            ("candidate", self.candidate_url, self.candidate_name, self.candidate_key_env),
        ):
            if bool(url) != bool(name):
                raise UsageError(f"--{role}-url and --{role}-model belong together: give both or neither")
            if key_env and not url:
                raise UsageError(f"--{role}-key-env needs --{role}-url: a simulated model has no key")
        # The pages, the database and `served_by` identify a model only by its name.
        if self.name("frontier") == self.name("candidate"):
            raise UsageError(
                f"frontier and candidate have the same name {self.name('frontier')!r}: "
                "serve one of them under another name"
            )
        self.real()  # raises UsageError for a URL that is not one

    def name(self, role: Role) -> str:
        """The name under which a model is served and shown."""
        given = self.frontier_name if role == "frontier" else self.candidate_name
        return given or NAMES[role]

    def real(self) -> dict[str, ModelSettings]:
        """The real models, by their names."""
        found: dict[str, ModelSettings] = {}
        if self.frontier_url:
            found[self.name("frontier")] = _real("frontier", self.frontier_url, self.frontier_key_env)
        if self.candidate_url:
            found[self.name("candidate")] = _real("candidate", self.candidate_url, self.candidate_key_env)
        return found

    @property
    def all_simulated(self) -> bool:
        return not self.frontier_url and not self.candidate_url

    @property
    def any_simulated(self) -> bool:
        return not (self.frontier_url and self.candidate_url)


def _real(role: Role, url: str, key_env: str | None) -> ModelSettings:
    try:
        return ModelSettings(base_url=url, api_key_env=key_env)
    except ValidationError as error:
        problem = problems_of(error, ModelSettings)[0]
        option = f"--{role}-url {url}" if problem.key == "base_url" else f"--{role}-key-env"
        raise UsageError(f"{option}: {problem.message}") from None


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports of the services, on loopback."""

    gateway: int
    dashboard: int
    worker: int
    scorer: int
    judge: int
    monitor: int

    @classmethod
    def beside(cls, *, gateway: int, dashboard: int) -> "Ports":
        """Gateway and dashboard on the given ports; the health endpoints on free ones."""
        health = {name: free_port() for name in ("worker", "scorer", "judge", "monitor")}
        return cls(gateway=gateway, dashboard=dashboard, **health)

    def items(self) -> Iterable[tuple[str, int]]:
        return (("gateway", self.gateway), ("dashboard", self.dashboard))


def write_settings(path: Path, models: Models, ports: Ports, simulated: SimulatedModels) -> Path:
    """Write the demo's shadow.toml to `path`; broker and database come from the environment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_lines(models, ports, simulated)) + "\n", encoding="utf-8")
    return path


def _lines(models: Models, ports: Ports, simulated: SimulatedModels) -> Iterable[str]:
    yield "# Written by `shadow demo`. Broker and database come from SHADOW_KAFKA and SHADOW_POSTGRES."
    frontier, candidate = models.name("frontier"), models.name("candidate")
    yield from _model("frontier", frontier, models.frontier_url, models.frontier_key_env, simulated)
    yield from _model("candidate", candidate, models.candidate_url, models.candidate_key_env, simulated)
    judge = simulated.model_name("judge")
    if models.all_simulated:  # it can judge only the answers of the simulated models
        yield from _model("judge", judge, None, None, simulated)
    for task, kind in workloads.KINDS.items():
        yield ""
        yield f"[tasks.{task}]"
        yield f"frontier = {json.dumps(frontier)}"
        yield f"candidates = [{json.dumps(candidate)}]"
        yield f'kind = "{kind}"'
        yield f"segments = {json.dumps(list(world.SEGMENTS))}"
        yield "ceiling_rate = 0.1"
        yield f"regret_rate = {_REGRET_RATE}"
        yield f"regret_limit = {_REGRET_LIMIT}"
        yield f"max_age_s = {int(timeline.HISTORY.total_seconds() * 2)} # the history is weeks old"
        if models.all_simulated and task in _RUBRICS:
            yield f"rubric = {json.dumps(_RUBRICS[task])}"
            yield f"judge = {json.dumps(judge)}"
            yield f"judge_rate = {_JUDGE_RATES[task]}"
            yield f"judge_usd_per_day = {_JUDGE_USD_PER_DAY}"
            yield f"reviews_per_day = {_REVIEWS_PER_DAY}"
    yield ""
    # The embedded broker admits a consumer only after half a session.
    yield "[kafka]\nsession_timeout_s = 3"
    yield f"[gateway]\nport = {ports.gateway}"
    yield f"[worker]\nhealth_port = {ports.worker}"
    yield f"[scorer]\nhealth_port = {ports.scorer}"
    yield f"[judge]\nevery_s = 1\nhealth_port = {ports.judge}"
    # Weeks take seconds here, so the monitor must not wait a minute for late pairs.
    yield f"[monitor]\nevery_s = 2\nsettle_s = 25\nhealth_port = {ports.monitor}"
    yield f"[dashboard]\nport = {ports.dashboard}"


def _model(part: Part, name: str, url: str | None, key_env: str | None, simulated: SimulatedModels) -> Iterable[str]:
    yield ""
    yield f"[models.{json.dumps(name)}]"
    yield f"base_url = {json.dumps(url or simulated.url(part))}"
    yield f"concurrency = {_CONCURRENCY[part]}"
    if key_env:
        yield f"api_key_env = {json.dumps(key_env)}"
    if url is None:
        yield "simulated = true"
        if part == "candidate":
            yield "logprobs = true"
        yield "input_usd_per_million = {}\noutput_usd_per_million = {}".format(*_PRICES[part])
