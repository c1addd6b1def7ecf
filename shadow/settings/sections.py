"""The tables of `shadow.toml`, one documented field per setting."""

import os
import re
from typing import Annotated, Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shadow.records import TaskKind
from shadow.settings.variables import HEALTH_HOST_VARIABLE, KAFKA_VARIABLE, POSTGRES_VARIABLE

Rate = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535)]

_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: `host:port`, `[address]:port`: without a scheme, a user or a password.
_HOST_PORT: Final = re.compile(r"(?:[^\s/@:\[\]]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")

HealthHost = Annotated[
    str,
    Field(
        description="Address of its health page: `0.0.0.0` where others are to read it, as in a container.",
        json_schema_extra={"environment": HEALTH_HOST_VARIABLE},
    ),
]
HealthPort = Annotated[Port, Field(description="Port of `/livez`, `/readyz` and `/metrics`.")]


class Section(BaseModel):
    """A table of `shadow.toml`: unknown keys are mistakes, values do not change."""

    # An error may end in a log, and a key or a password that stands where it should not may be in the input.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ModelSettings(Section):
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
        parts = _address(value, like="https://host/v1")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http:// or https:// address; write it as in https://host/v1")
        if parts.username or parts.password:
            raise ValueError("must not contain credentials; name a variable in api_key_env instead")
        if parts.query or parts.fragment:
            raise ValueError(
                "must end with its path; leave out what follows the ? or #, and name a variable in api_key_env"
            )
        return value.rstrip("/")

    @field_validator("api_key_env")
    @classmethod
    def _is_a_variable(cls, value: str | None) -> str | None:
        if value is not None and not _VARIABLE_NAME.fullmatch(value):
            raise ValueError("is no environment variable; write the name of one that holds the key, never the key")
        return value

    def api_key(self) -> str | None:
        """The key from the environment; None where none is named or set."""
        return os.environ.get(self.api_key_env) if self.api_key_env else None


class TaskSettings(Section):
    """`[tasks.NAME]`: a workload that is configured and judged on its own."""

    frontier: str = Field(description="Name of the incumbent in [models].")
    candidates: tuple[str, ...] = Field((), description="Names of the small models in [models] that want the task.")
    kind: TaskKind = Field("generation", description="Picks the default scorer.")
    scorer: str | None = Field(None, description="Scorer to use instead of the default of `kind`.")
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
    owners: tuple[str, ...] = Field(
        (), description="E-mail addresses of those who answer for it. Nothing reads them yet."
    )


class TopicSettings(Section):
    """`[kafka.topics]`: names, where the usual ones will not do."""

    exchanges: str = Field("shadow.exchanges", description="What production asked and was answered.")
    trials: str = Field("shadow.trials", description="What the other model answered, with its exchange.")
    deadletters: str = Field("shadow.deadletters", description="What could not be processed, with the reason.")


class KafkaSettings(Section):
    """`[kafka]`: the broker."""

    bootstrap_servers: str = Field(
        "localhost:9092",
        description="host:port[,host:port…]",
        json_schema_extra={"environment": KAFKA_VARIABLE},
    )
    topics: TopicSettings = TopicSettings()
    partitions: int = Field(4, ge=1, description="Partitions of topics the platform creates.")
    replication: int = Field(1, ge=1, description="Replication factor of topics the platform creates.")
    group_prefix: str = Field("shadow", description="Start of the consumer groups' names.")
    session_timeout_s: Positive = Field(30.0, description="Silence after which a consumer is given up.")

    @field_validator("bootstrap_servers")
    @classmethod
    def _is_host_port(cls, value: str) -> str:
        for number, server in enumerate(value.split(","), 1):
            found = _HOST_PORT.fullmatch(server.strip())
            if found is None or not 1 <= int(found[1]) <= 65_535:
                raise ValueError(f"entry {number} is not host:port; write host:port[,host:port…], as in localhost:9092")
        return value


class PublisherSettings(Section):
    """`[publisher]`: what capture may use of the host application."""

    queue_bytes: int = Field(64 * 2**20, ge=2**16, description="Most bytes waiting or in flight.")
    queue_items: int = Field(50_000, ge=1, description="Most exchanges waiting for the publishing thread.")
    max_message_bytes: int = Field(900_000, ge=1_000, description="Larger exchanges are truncated and flagged.")
    delivery_timeout_s: Positive = Field(10.0, description="After it an undelivered exchange counts as dropped.")
    drain_timeout_s: Positive = Field(5.0, description="Most time spent delivering the rest at exit.")
    stalled_after_s: Positive = Field(15.0, description="Without a delivery for so long the producer is rebuilt.")
    counts_every_s: Positive = Field(5.0, description="How often capture reports its counts.")


class RedactionSettings(Section):
    """`[redaction]`: what is taken out before an exchange leaves the process that captured it."""

    enabled: bool = Field(True, description="false only where nothing private can be in a request or reply.")
    patterns: dict[str, str] = Field(default_factory=dict, description="Own patterns: name = regular expression.")

    @field_validator("patterns")
    @classmethod
    def _compile(cls, value: dict[str, str]) -> dict[str, str]:
        import regex  # noqa: PLC0415 - only a file with own patterns pays for it

        for name, pattern in value.items():
            try:
                empty = regex.compile(pattern).search("")
            except regex.error as fault:
                raise ValueError(f"{name}: not a regular expression ({fault})") from None
            if empty:
                raise ValueError(f"{name}: matches where there is nothing; say what must be there, as + does for *")
        return value


class GatewaySettings(Section):
    """`[gateway]`: the proxy. `shadow gateway --host` and `--port` override the first two."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8080, description="Port to listen on.")
    upstream: str | None = Field(
        None, description="Name in [models] that serves what no task claims; the first task's frontier if left out."
    )
    timeout_s: Positive = Field(600.0, description="Most silence of the upstream before the gateway gives up.")
    max_body_bytes: int = Field(32 * 2**20, ge=1_000, description="Larger request bodies are refused with 413.")
    mirror_body_bytes: int = Field(
        4 * 2**20, ge=1_000, description="Larger replies are forwarded whole but mirrored truncated."
    )


class PostgresSettings(Section):
    """`[postgres]`: the database.

    The password comes from `PGPASSWORD`, as it is, or stands in `SHADOW_POSTGRES`, where `@`, `/`, `:`, `%` and the
    like are written as in any address (`%40` for `@`).
    """

    url: str | None = Field(
        None,
        description="postgresql://user@host:port/database, without a password.",
        json_schema_extra={"environment": POSTGRES_VARIABLE},
    )
    pool_size: int = Field(5, ge=1, description="Connections that one scorer or judge holds at most.")

    @field_validator("url")
    @classmethod
    def _has_no_password(cls, value: str | None) -> str | None:
        if value is not None:
            parts = _address(value, like="postgresql://user@host:5432/database")
            if parts.scheme not in ("postgresql", "postgres"):
                raise ValueError("must start with postgresql://; write it as in postgresql://user@host:5432/database")
            # An @ behind the host is that of a password with a / or a ? in it.
            behind = "@" in f"{parts.path}{parts.query}{parts.fragment}"
            if parts.password or behind or "password" in parse_qs(parts.query):
                raise ValueError(f"must not contain a password; set PGPASSWORD or {POSTGRES_VARIABLE}")
        return value


class RetentionSettings(Section):
    """`[retention]`: what `shadow prune` keeps."""

    payload_days: int = Field(30, ge=1, description="Days that requests and replies are kept.")
    rows_days: int = Field(180, ge=1, description="Days that per-exchange rows are kept; rollups stay.")


class WorkerSettings(Section):
    """`[worker]`: the service that asks the other model."""

    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 8081


class ScorerSettings(Section):
    """`[scorer]`: the service that compares and stores."""

    batch: int = Field(4_000, ge=1, description="Most pairs written in one transaction.")
    linger_ms: float = Field(50, ge=0, description="Longest wait for a batch to fill.")
    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 8082


class JudgeSettings(Section):
    """`[judge]`: the service that asks judges."""

    every_s: Positive = Field(5.0, description="Pause between looks for pairs to judge.")
    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 8083


class MonitorSettings(Section):
    """`[monitor]`: when an incident opens."""

    every_s: Positive = Field(30.0, description="Pause between rounds.")
    lateness_s: Positive = Field(3_600.0, description="How long after its end an hour may still be filled.")
    settle_s: Positive = Field(60.0, description="How long an hour must look complete before it is judged.")
    horizon: int = Field(20_000, ge=100, description="Comparisons within which a false alarm of drift is unlikely.")
    most_lag_s: Positive = Field(900.0, description="An incident opens when an exchange has been in flight for longer.")
    most_dropped: Rate = Field(0.01, description="The same, above this share of accepted exchanges dropped in an hour.")
    most_unscored: Rate = Field(
        0.2, description="The same, above this share of pairs that could not be scored in an hour."
    )
    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 8084


class DashboardSettings(Section):
    """`[dashboard]`: the pages. `shadow dashboard --host` and `--port` override both."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8501, description="Port to listen on.")


def _address(value: str, *, like: str) -> SplitResult:
    """The parts of an address. Raises ValueError, which does not repeat it, for one that has none."""
    try:
        parts = urlsplit(value)
        readable = parts.port is None or parts.port > 0
    except ValueError:
        readable = False
    if not readable or not value.isprintable() or " " in value:
        raise ValueError(f"cannot be read as an address; write it as in {like}")
    return parts
