"""What `shadow.toml` may say, one documented field per setting.

Precedence: environment over file over default. Secrets (API keys, passwords) come only from
the environment: the file names the *variable*, never the value. The whole file is checked at
once, and every mistake is reported with its key and its mend (see `load`).
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from shadow.errors import ConfigError
from shadow.records import Role, TaskKind

Rate = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535)]

CONFIG_VARIABLE: Final = "SHADOW_CONFIG"
KAFKA_VARIABLE: Final = "SHADOW_KAFKA"
POSTGRES_VARIABLE: Final = "SHADOW_POSTGRES"
DEFAULT_FILE: Final = "shadow.toml"


class Section(BaseModel):
    """A table of `shadow.toml`: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(Section):
    """`[models.NAME]`: an OpenAI-compatible endpoint."""

    base_url: str = Field(description="Address up to and including `/v1`.")
    model: str | None = Field(None, description="Name sent to the endpoint; the table's own name if left out.")
    api_key_env: str | None = Field(None, description="Environment variable that holds the API key.")
    input_usd_per_million: float | None = Field(None, ge=0, description="Price of a million input tokens.")
    output_usd_per_million: float | None = Field(None, ge=0, description="Price of a million output tokens.")
    concurrency: int = Field(32, ge=1, description="Most requests the platform has under way to it at once.")
    timeout_s: Positive = Field(60.0, description="Deadline of one trial, its retries included.")
    retries: int = Field(2, ge=0, description="Most further tries after 429, 5xx or a broken connection.")
    simulated: bool = Field(False, description="A simulated model: labelled so wherever it shows.")

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http:// or https:// address such as https://host/v1")
        if parts.username or parts.password:
            raise ValueError("must not contain credentials; name a variable in api_key_env instead")
        return value.rstrip("/")

    def api_key(self) -> str | None:
        """The key from the environment; None where none is named or set."""
        return os.environ.get(self.api_key_env) if self.api_key_env else None


class Task(Section):
    """`[tasks.NAME]`: a workload that is configured and judged on its own."""

    frontier: str = Field(description="Name of the incumbent in [models].")
    candidates: tuple[str, ...] = Field((), description="Names of the small models in [models] that want the task.")
    kind: TaskKind = Field("generation", description="Picks the default scorer.")
    scorer: str | None = Field(None, description="Scorer to use instead of the kind's default.")
    scorer_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the scorer, such as a JSON schema."
    )
    segments: tuple[str, ...] = Field((), description="Dimensions read from the request's metadata.")
    aliases: tuple[str, ...] = Field((), description="Model names in requests that mean this task.")
    mirror_rate: Rate = Field(1.0, description="Share of frontier-served exchanges that is mirrored.")
    ceiling_rate: Rate = Field(0.0, description="Share of mirrored exchanges the frontier answers a second time.")
    regret_rate: Rate = Field(0.05, description="Share of candidate-served exchanges the frontier answers too.")
    max_age_s: Positive = Field(86_400.0, description="Age after which an exchange expires unasked.")
    agreement_threshold: Rate = Field(0.9, description="Below it the Exchanges page calls a pair a disagreement.")
    regret_limit: Fraction = Field(0.02, description="Mean regret you accept; segments above it are flagged.")
    false_flag_rate: Fraction = Field(0.1, description="Share of flagged segments that may be flagged by mistake.")
    rubric: str | None = Field(None, description="What makes a reply better, for the judge and for people.")
    judge: str | None = Field(None, description="Name in [models] of the model that judges pairs of replies.")
    judge_rate: Rate = Field(1.0, description="Share of pairs of replies that the judge is shown.")
    judge_usd_per_day: float = Field(5.0, ge=0, description="Most money the judge may cost a day (UTC).")
    reviews_per_day: int = Field(50, ge=0, description="Pairs a day chosen for people to label.")
    owners: tuple[str, ...] = Field((), description="E-mail addresses of those who approve its rollout.")


class Topics(Section):
    """`[kafka.topics]`"""

    exchanges: str = "shadow.exchanges"
    trials: str = "shadow.trials"
    deadletters: str = "shadow.deadletters"


class Kafka(Section):
    """`[kafka]`; SHADOW_KAFKA overrides `bootstrap_servers`."""

    bootstrap_servers: str = Field("localhost:9092", description="host:port[,host:port…]")
    topics: Topics = Topics()
    partitions: int = Field(4, ge=1, description="Partitions of topics the platform creates.")
    replication: int = Field(1, ge=1, description="Replication factor of topics the platform creates.")
    group_prefix: str = Field("shadow", description="Start of the consumer groups' names.")
    session_timeout_s: Positive = Field(30.0, description="Silence after which a consumer is given up.")

    @field_validator("bootstrap_servers")
    @classmethod
    def _is_host_port(cls, value: str) -> str:
        for server in value.split(","):
            host, colon, port = server.strip().rpartition(":")
            if not (host and colon and port.isdigit()):
                raise ValueError(f"{server.strip()!r} is not host:port")
        return value


class Publisher(Section):
    """`[publisher]`: what capture may use of the host application."""

    queue_bytes: int = Field(64 * 2**20, ge=2**16, description="Most bytes waiting or in flight.")
    queue_items: int = Field(50_000, ge=1, description="Most exchanges waiting for the publishing thread.")
    max_message_bytes: int = Field(900_000, ge=1_000, description="Larger exchanges are truncated and flagged.")
    delivery_timeout_s: Positive = Field(10.0, description="After it an undelivered exchange counts as dropped.")
    drain_timeout_s: Positive = Field(5.0, description="Most time spent delivering the rest at exit.")
    stalled_after_s: Positive = Field(15.0, description="Without a delivery for so long the producer is rebuilt.")
    counts_every_s: Positive = Field(5.0, description="How often capture reports its counts.")


class Redaction(Section):
    """`[redaction]`"""

    enabled: bool = True
    patterns: dict[str, str] = Field(default_factory=dict, description="Own patterns: name = regular expression.")

    @field_validator("patterns")
    @classmethod
    def _compile(cls, value: dict[str, str]) -> dict[str, str]:
        import re  # noqa: PLC0415 - only a file with own patterns pays for it

        for name, pattern in value.items():
            try:
                re.compile(pattern)
            except re.error as fault:
                raise ValueError(f"{name}: not a regular expression ({fault})") from None
        return value


class Gateway(Section):
    """`[gateway]`"""

    host: str = "127.0.0.1"
    port: Port = 8080
    upstream: str | None = Field(
        None, description="Name in [models] that serves what no task claims; the first task's frontier if left out."
    )
    timeout_s: Positive = Field(600.0, description="Most silence of the upstream before the gateway gives up.")
    max_body_bytes: int = Field(32 * 2**20, ge=1_000, description="Larger request bodies are refused with 413.")
    mirror_body_bytes: int = Field(
        4 * 2**20, ge=1_000, description="Larger replies are forwarded whole but mirrored truncated."
    )


class Postgres(Section):
    """`[postgres]`; SHADOW_POSTGRES overrides `url`. The password comes from PGPASSWORD or SHADOW_POSTGRES."""

    url: str | None = Field(None, description="postgresql://user@host:port/database, without a password.")
    pool_size: int = Field(5, ge=1)

    @field_validator("url")
    @classmethod
    def _has_no_password(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in ("postgresql", "postgres"):
                raise ValueError("must start with postgresql://")
            if parts.password:
                raise ValueError(f"must not contain a password; set PGPASSWORD or {POSTGRES_VARIABLE}")
        return value


class Retention(Section):
    """`[retention]`: what `shadow prune` keeps."""

    payload_days: int = Field(30, ge=1, description="Days that requests and replies are kept.")
    rows_days: int = Field(180, ge=1, description="Days that per-exchange rows are kept; rollups stay.")


class Worker(Section):
    """`[worker]`"""

    health_host: str = "127.0.0.1"
    health_port: Port = 8081


class Scorer(Section):
    """`[scorer]`"""

    batch: int = Field(4_000, ge=1, description="Most pairs written in one transaction.")
    linger_ms: float = Field(50, ge=0, description="Longest wait for a batch to fill.")
    health_host: str = "127.0.0.1"
    health_port: Port = 8082


class Judge(Section):
    """`[judge]`: the service that asks judges."""

    every_s: Positive = Field(5.0, description="Pause between looks for pairs to judge.")
    health_host: str = "127.0.0.1"
    health_port: Port = 8083


class Monitor(Section):
    """`[monitor]`: when an incident opens."""

    every_s: Positive = Field(30.0, description="Pause between rounds.")
    lateness_s: Positive = Field(3_600.0, description="How long after its end an hour may still be filled.")
    settle_s: Positive = Field(60.0, description="How long an hour must look complete before it is judged.")
    horizon: int = Field(20_000, ge=100, description="Comparisons within which a false alarm of drift is unlikely.")
    most_lag_s: Positive = Field(900.0, description="Age of the oldest exchange in flight.")
    most_dropped: Rate = Field(0.01, description="Share of accepted exchanges dropped in an hour.")
    most_unscored: Rate = Field(0.2, description="Share of pairs that could not be scored in an hour.")
    health_host: str = "127.0.0.1"
    health_port: Port = 8084


class Dashboard(Section):
    """`[dashboard]`"""

    host: str = "127.0.0.1"
    port: Port = 8501


class Settings(Section):
    """The whole of `shadow.toml`."""

    models: dict[str, Model] = Field(default_factory=dict)
    tasks: dict[str, Task] = Field(default_factory=dict)
    kafka: Kafka = Kafka()
    publisher: Publisher = Publisher()
    redaction: Redaction = Redaction()
    gateway: Gateway = Gateway()
    postgres: Postgres = Postgres()
    retention: Retention = Retention()
    worker: Worker = Worker()
    scorer: Scorer = Scorer()
    judge: Judge = Judge()
    monitor: Monitor = Monitor()
    dashboard: Dashboard = Dashboard()

    @model_validator(mode="after")
    def _names_exist(self) -> "Settings":
        known = ", ".join(sorted(self.models)) or "none"
        wrong = [
            f"tasks.{task}.{key}: {name!r} is not in [models] (known: {known})"
            for task, spec in self.tasks.items()
            for key, name in [
                ("frontier", spec.frontier),
                *(("candidates", c) for c in spec.candidates),
                *([("judge", spec.judge)] if spec.judge else []),
            ]
            if name not in self.models
        ]
        if self.gateway.upstream is not None and self.gateway.upstream not in self.models:
            wrong.append(f"gateway.upstream: {self.gateway.upstream!r} is not in [models] (known: {known})")
        claims: dict[str, str] = {}
        for task, spec in self.tasks.items():
            wrong.extend(
                f"tasks.{task}.aliases: {alias!r} already means task {claims[alias]!r}"
                for alias in spec.aliases
                if claims.setdefault(alias, task) != task
            )
        if wrong:
            raise ValueError("\n".join(wrong))
        return self

    def sent_name(self, model: str) -> str:
        """The model name that is sent to the endpoint called `model`."""
        return self.models[model].model or model

    def role_of(self, task: str, model: str) -> Role | None:
        """Which role the model named `model` in a request or reply has in `task`, if any."""
        spec = self.tasks.get(task)
        if spec is None:
            return None
        names: dict[Literal["frontier", "candidate"], set[str]] = {
            "frontier": {spec.frontier, self.sent_name(spec.frontier)},
            "candidate": {n for c in spec.candidates for n in (c, self.sent_name(c))},
        }
        return next((role for role, known in names.items() if model in known), None)

    def postgres_url(self) -> str:
        """The database's address. Raises ConfigError where none is given."""
        if self.postgres.url is None:
            raise ConfigError(f"no database: set `url` under [postgres] in {DEFAULT_FILE}, or {POSTGRES_VARIABLE}")
        return self.postgres.url


def load(path: Path | None = None) -> Settings:
    """Settings from `path`, else the file SHADOW_CONFIG names, else ./shadow.toml, else defaults.

    Raises ConfigError with one line for each mistake: file, key, what is wrong.
    """
    named = path or (Path(found) if (found := os.environ.get(CONFIG_VARIABLE)) else None)
    file = named or Path(DEFAULT_FILE)
    raw: dict[str, Any] = {}
    if named is not None or file.exists():
        try:
            raw = tomllib.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"{file}: no such file; create it, or point {CONFIG_VARIABLE} at the right one") from None
        except (OSError, UnicodeDecodeError) as fault:
            raise ConfigError(f"{file}: cannot be read ({fault})") from None
        except tomllib.TOMLDecodeError as fault:
            raise ConfigError(f"{file}: not valid TOML: {fault}") from None
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as fault:
        raise ConfigError("\n".join(f"{file}: {line}" for line in _lines(fault))) from None
    return _with_environment(settings)


def _with_environment(settings: Settings) -> Settings:
    if servers := os.environ.get(KAFKA_VARIABLE):
        try:
            kafka = Kafka.model_validate({**settings.kafka.model_dump(), "bootstrap_servers": servers})
        except ValidationError as fault:
            raise ConfigError(f"environment: {KAFKA_VARIABLE}: {fault.errors()[0]['msg']}") from None
        settings = settings.model_copy(update={"kafka": kafka})
    if url := os.environ.get(POSTGRES_VARIABLE):
        # From the environment a password is welcome, so this does not go through validation.
        postgres = settings.postgres.model_copy(update={"url": url})
        settings = settings.model_copy(update={"postgres": postgres})
    return settings


def _lines(fault: ValidationError) -> list[str]:
    lines: list[str] = []
    for error in fault.errors():
        message = error["msg"].removeprefix("Value error, ")
        key = ".".join(str(part) for part in error["loc"])
        if error["type"] == "extra_forbidden":
            message = "unknown key; remove it or check its spelling"
        elif error["type"] == "missing":
            message = "is required; add it"
        lines.extend(f"{key}: {part}" if key else part for part in message.splitlines())
    return lines
