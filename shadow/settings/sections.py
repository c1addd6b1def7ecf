"""The tables of `shadow.toml`, one documented field per setting."""

import os
import re
from typing import Annotated, Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shadow.records import Api, Modality, TaskKind
from shadow.settings.environment import HEALTH_HOST_VARIABLE, KAFKA_VARIABLE, POSTGRES_VARIABLE

Rate = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535)]

#: Kafka's own default for the largest message of a topic.
BROKER_MESSAGE_BYTES: Final = 2**20

_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: `host:port`, `[address]:port`: without a scheme, a user or a password.
_HOST_PORT: Final = re.compile(r"(?:[^\s/@:\[\]]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")

HealthHost = Annotated[
    str,
    Field(
        description="Address of its health page; `0.0.0.0` lets other machines read it, as in a container.",
        json_schema_extra={"environment": HEALTH_HOST_VARIABLE},
    ),
]
HealthPort = Annotated[Port, Field(description="Port of `/livez`, `/readyz` and `/metrics`.")]


class Section(BaseModel):
    """A table of `shadow.toml`. Rejects unknown keys; frozen."""

    # Errors end up in logs, and the input may hold a key or a password in the wrong place.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ModelSettings(Section):
    """`[models.NAME]`: an OpenAI-compatible endpoint."""

    base_url: str = Field(description="Address up to and including `/v1`.")
    model: str | None = Field(None, description="Model name sent to the endpoint; the table's own name if left out.")
    api_key_env: str | None = Field(None, description="Environment variable that holds the API key.")
    input_usd_per_million: float | None = Field(None, ge=0, description="Price of a million input tokens.")
    output_usd_per_million: float | None = Field(None, ge=0, description="Price of a million output tokens.")
    concurrency: int = Field(32, ge=1, description="Maximum number of concurrent requests to it.")
    timeout_s: Positive = Field(60.0, description="Deadline of one trial in seconds, including its retries.")
    retries: int = Field(2, ge=0, description="Maximum number of retries after 429, 5xx or a broken connection.")
    simulated: bool = Field(False, description="A simulated model; labelled so wherever it appears.")
    apis: tuple[Api, ...] | None = Field(
        None, description="APIs that it has: `chat`, `responses`; unknown if left out."
    )
    context_tokens: int | None = Field(
        None, ge=1, description="Length of its context in tokens, prompt and reply together; unknown if left out."
    )
    modalities: tuple[Modality, ...] | None = Field(
        None,
        description="What it can read: `text`, `image`, `audio`, `video`, `file`; unknown if left out.",
    )
    tools: bool | None = Field(None, description="Whether it can call tools; unknown if left out.")
    logprobs: bool | None = Field(
        None,
        description="Whether it reports log-probabilities of tokens, from which the confidence of its replies is "
        "computed; unknown if left out, and then not asked for.",
    )
    revision: str | None = Field(
        None, description="Which version of the model the endpoint serves, such as `2026-12-01`; for people."
    )

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
                "must not have a query or fragment; remove what follows the ? or #, and name a variable in api_key_env"
            )
        return value.rstrip("/")

    @field_validator("api_key_env")
    @classmethod
    def _is_a_variable(cls, value: str | None) -> str | None:
        if value is not None and not _VARIABLE_NAME.fullmatch(value):
            raise ValueError(
                "is not the name of an environment variable; name the variable that holds the key, never the key"
            )
        return value

    @field_validator("apis", "modalities")
    @classmethod
    def _is_not_empty(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value == ():
            raise ValueError("is empty, so that nothing would be asked; name at least one, or leave it out")
        return value

    def api_key(self) -> str | None:
        """The API key from the environment; None where no variable is named or set."""
        return os.environ.get(self.api_key_env) if self.api_key_env else None


class TaskSettings(Section):
    """`[tasks.NAME]`: a workload with its own configuration and evidence."""

    frontier: str = Field(description="Name in [models] of the incumbent model.")
    candidates: tuple[str, ...] = Field(
        (), description="Names in [models] of the small models under test for the task."
    )
    kind: TaskKind = Field("generation", description="Kind of task; selects the default scorer.")
    scorer: str | None = Field(None, description="Scorer to use instead of the default for `kind`.")
    scorer_options: dict[str, Any] = Field(
        default_factory=dict, description="Options of the scorer, such as a JSON schema."
    )
    segments: tuple[str, ...] = Field((), description="Dimensions read from the request's metadata.")
    aliases: tuple[str, ...] = Field((), description="Model names in requests that select this task.")
    mirror_rate: Rate = Field(1.0, description="Share of frontier-served exchanges that are mirrored.")
    ceiling_rate: Rate = Field(0.0, description="Share of mirrored exchanges the frontier answers a second time.")
    regret_rate: Rate = Field(0.05, description="Share of candidate-served exchanges the frontier answers too.")
    max_age_s: Positive = Field(86_400.0, description="Age in seconds after which an exchange expires without a trial.")
    agreement_threshold: Rate = Field(
        0.9, description="Agreement below which the Exchanges page shows a pair as a disagreement."
    )
    regret_limit: Fraction = Field(0.02, description="Mean regret that you accept; segments above it are flagged.")
    false_flag_rate: Fraction = Field(
        0.1, description="Accepted share of wrongly flagged segments among all flagged ones."
    )
    rubric: str | None = Field(None, description="What makes a reply better; shown to the judge and to reviewers.")
    judge: str | None = Field(None, description="Name in [models] of the model that judges pairs of replies.")
    judge_rate: Rate = Field(1.0, description="Share of pairs that are sent to the judge.")
    judge_usd_per_day: float = Field(5.0, ge=0, description="Budget of the judge in US dollars per day (UTC).")
    reviews_per_day: int = Field(50, ge=0, description="Number of pairs per day that are chosen for people to label.")
    owners: tuple[str, ...] = Field((), description="E-mail addresses of the task's owners. Not used yet.")


class TopicSettings(Section):
    """`[kafka.topics]`: names of the topics."""

    exchanges: str = Field("shadow.exchanges", description="Production requests and the replies that were served.")
    trials: str = Field("shadow.trials", description="Replies of the other model, each with its exchange.")
    deadletters: str = Field(
        "shadow.deadletters", description="Messages that could not be processed, each with the reason."
    )


class KafkaSettings(Section):
    """`[kafka]`: the Kafka cluster."""

    bootstrap_servers: str = Field(
        "localhost:9092",
        description="Addresses of the brokers: host:port[,host:port…].",
        json_schema_extra={"environment": KAFKA_VARIABLE},
    )
    topics: TopicSettings = TopicSettings()
    partitions: int = Field(4, ge=1, description="Number of partitions of the topics that the platform creates.")
    replication: int = Field(1, ge=1, description="Replication factor of the topics that the platform creates.")
    group_prefix: str = Field("shadow", description="Prefix of the consumer groups' names.")
    session_timeout_s: Positive = Field(
        30.0, description="Time without a heartbeat after which the broker removes a consumer from its group."
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _is_host_port(cls, value: str) -> str:
        for number, server in enumerate(value.split(","), 1):
            found = _HOST_PORT.fullmatch(server.strip())
            if found is None or not 1 <= int(found[1]) <= 65_535:
                raise ValueError(f"entry {number} is not host:port; write host:port[,host:port…], as in localhost:9092")
        return value


class PublisherSettings(Section):
    """`[publisher]`: limits for capture in the host application."""

    queue_bytes: int = Field(
        64 * 2**20,
        ge=2**16,
        description="Maximum size in bytes of the exchanges that are queued or in flight; "
        "if one more needs room, the oldest in the queue are dropped.",
    )
    queue_items: int = Field(
        50_000,
        ge=1,
        description="Maximum number of exchanges that were not sent yet; one more makes the oldest drop.",
    )
    max_message_bytes: int = Field(
        900_000,
        ge=1_000,
        description="Maximum size of a message, the same for applications and services; larger exchanges are "
        "compressed, and truncated and flagged if that is not enough. Above 932067 the topics need a larger "
        "`max.message.bytes`; `shadow check` says so.",
    )
    delivery_timeout_s: Positive = Field(
        10.0,
        description="Time after which the Kafka client gives up an exchange; it is then sent again.",
    )
    drain_timeout_s: Positive = Field(5.0, description="Maximum time for delivering the rest of the queue at exit.")
    stalled_after_s: Positive = Field(15.0, description="Time without a delivery after which the producer is rebuilt.")
    counts_every_s: Positive = Field(5.0, description="Interval at which capture reports its counts.")

    @property
    def topic_bytes(self) -> int:
        """The `max.message.bytes` that the topics need: a trial is an exchange with another reply."""
        return max(BROKER_MESSAGE_BYTES, self.max_message_bytes * 9 // 8)


class RedactionSettings(Section):
    """`[redaction]`: what is removed before an exchange leaves the process that captured it."""

    enabled: bool = Field(True, description="Set to false only if requests and replies never hold private data.")
    patterns: dict[str, str] = Field(
        default_factory=dict, description="Additional patterns: name = regular expression."
    )

    @field_validator("patterns")
    @classmethod
    def _compile(cls, value: dict[str, str]) -> dict[str, str]:
        import regex  # noqa: PLC0415 - loaded only for a file with patterns of its own

        for name, pattern in value.items():
            try:
                empty = regex.compile(pattern).search("")
            except regex.error as error:
                raise ValueError(f"{name}: not a valid regular expression ({error})") from None
            if empty:
                raise ValueError(
                    f"{name}: matches the empty string; require at least one character, for example with + instead of *"
                )
        return value


class GatewaySettings(Section):
    """`[gateway]`: the proxy. `shadow gateway --host` and `--port` override the first two."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8080, description="Port to listen on.")
    upstream: str | None = Field(
        None,
        description="Name in [models] of the model for requests without a task; the first task's frontier if left out.",
    )
    timeout_s: Positive = Field(
        600.0, description="Time without a byte from the upstream after which the gateway gives up."
    )
    max_body_bytes: int = Field(
        32 * 2**20, ge=1_000, description="Maximum size of a request body; larger ones are refused with 413."
    )
    max_bodies_bytes: int = Field(
        256 * 2**20,
        ge=1_000,
        description="Maximum size of the request bodies of all clients together; above it a request gets 503.",
    )
    max_header_bytes: int = Field(
        64 * 2**10, ge=1_000, description="Maximum size of a request's headers; larger ones are refused with 431."
    )
    receive_timeout_s: Positive = Field(
        30.0,
        description="Time in which a request's headers must be complete. In each such time a body must bring "
        "500 bytes a second.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Names by which clients address the gateway, beside localhost and IP addresses; "
        "`*.example.com` for all names below one, `*` for any.",
    )
    mirror_body_bytes: int = Field(
        4 * 2**20, ge=1_000, description="Larger replies are forwarded whole and mirrored truncated."
    )


class PostgresSettings(Section):
    """`[postgres]`: the database.

    The password comes from `PGPASSWORD`, as it is, or from the URL in `SHADOW_POSTGRES`, where `@`, `/`, `:`, `%` and
    the like are percent-encoded (`%40` for `@`).
    """

    url: str | None = Field(
        None,
        description="postgresql://user@host:port/database, without a password.",
        json_schema_extra={"environment": POSTGRES_VARIABLE},
    )
    pool_size: int = Field(5, ge=1, description="Maximum number of connections of one scorer or judge.")

    @field_validator("url")
    @classmethod
    def _has_no_password(cls, value: str | None) -> str | None:
        if value is not None:
            parts = _address(value, like="postgresql://user@host:5432/database")
            if parts.scheme not in ("postgresql", "postgres"):
                raise ValueError("must start with postgresql://; write it as in postgresql://user@host:5432/database")
            # An @ after the host belongs to a password that holds a / or a ?.
            at_after_host = "@" in f"{parts.path}{parts.query}{parts.fragment}"
            if parts.password or at_after_host or "password" in parse_qs(parts.query):
                raise ValueError(f"must not contain a password; set PGPASSWORD or {POSTGRES_VARIABLE}")
        return value


class RetentionSettings(Section):
    """`[retention]`: how long `shadow prune` keeps data."""

    payload_days: int = Field(30, ge=1, description="Number of days for which requests and replies are kept.")
    rows_days: int = Field(180, ge=1, description="Number of days for which rows per exchange are kept; rollups stay.")


class WorkerSettings(Section):
    """`[worker]`: the service that sends trials to the other model."""

    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 8081


class ScorerSettings(Section):
    """`[scorer]`: the service that compares and stores pairs."""

    batch: int = Field(4_000, ge=1, description="Maximum number of pairs per transaction.")
    linger_ms: float = Field(50, ge=0, description="Maximum wait for a batch to fill.")
    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 8082


class JudgeSettings(Section):
    """`[judge]`: the service that sends pairs to judges."""

    every_s: Positive = Field(5.0, description="Interval at which it looks for pairs to judge.")
    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 8083


class MonitorSettings(Section):
    """`[monitor]`: the service that opens and closes incidents."""

    every_s: Positive = Field(30.0, description="Interval between rounds.")
    lateness_s: Positive = Field(3_600.0, description="How long after its end an hour may still receive pairs.")
    settle_s: Positive = Field(60.0, description="How long an hour must look complete before the detectors read it.")
    horizon: int = Field(
        20_000, ge=100, description="Number of comparisons within which a false alarm of drift is unlikely."
    )
    most_lag_s: Positive = Field(900.0, description="An incident opens if an exchange has been in flight for longer.")
    most_dropped: Rate = Field(
        0.01, description="An incident opens if more than this share of accepted exchanges is dropped in an hour."
    )
    most_unscored: Rate = Field(
        0.2, description="An incident opens if more than this share of the pairs of an hour could not be scored."
    )
    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 8084


class DashboardSettings(Section):
    """`[dashboard]`: the web pages. `shadow dashboard --host` and `--port` override both."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8501, description="Port to listen on.")


def _address(value: str, *, like: str) -> SplitResult:
    """The parts of a URL. Raises ValueError for an invalid one, without repeating it."""
    try:
        parts = urlsplit(value)
        readable = parts.port is None or parts.port > 0
    except ValueError:
        readable = False
    if not readable or not value.isprintable() or " " in value:
        raise ValueError(f"is not a valid address; write it as in {like}")
    return parts
