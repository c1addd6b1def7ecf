"""What `shadow.toml` may say, one documented field per setting.

Precedence: environment over file over default. Secrets (API keys, passwords) come only from
the environment: the file names the *variable*, never the value. The whole file is checked at
once, and every mistake is reported with its key and its mend (see `load`).
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)

from shadow import mistakes
from shadow.errors import ConfigError
from shadow.records import Role, TaskKind

Rate = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65535)]

CONFIG_VARIABLE: Final = "SHADOW_CONFIG"
KAFKA_VARIABLE: Final = "SHADOW_KAFKA"
POSTGRES_VARIABLE: Final = "SHADOW_POSTGRES"
HEALTH_HOST_VARIABLE: Final = "SHADOW_HEALTH_HOST"
DEFAULT_FILE: Final = "shadow.toml"

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


class Task(Section):
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


class Topics(Section):
    """`[kafka.topics]`: names, where the usual ones will not do."""

    exchanges: str = Field("shadow.exchanges", description="What production asked and was answered.")
    trials: str = Field("shadow.trials", description="What the other model answered, with its exchange.")
    deadletters: str = Field("shadow.deadletters", description="What could not be processed, with the reason.")


class Kafka(Section):
    """`[kafka]`: the broker."""

    bootstrap_servers: str = Field(
        "localhost:9092",
        description="host:port[,host:port…]",
        json_schema_extra={"environment": KAFKA_VARIABLE},
    )
    topics: Topics = Topics()
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
    """`[redaction]`: what is taken out before an exchange leaves the process that captured it."""

    enabled: bool = Field(True, description="false only where nothing private can be in a request or reply.")
    patterns: dict[str, str] = Field(default_factory=dict, description="Own patterns: name = regular expression.")

    @field_validator("patterns")
    @classmethod
    def _compile(cls, value: dict[str, str]) -> dict[str, str]:
        import re  # noqa: PLC0415 - only a file with own patterns pays for it

        for name, pattern in value.items():
            try:
                empty = re.compile(pattern).search("")
            except re.error as fault:
                raise ValueError(f"{name}: not a regular expression ({fault})") from None
            if empty:
                raise ValueError(f"{name}: matches where there is nothing; say what must be there, as + does for *")
        return value


class Gateway(Section):
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


class Postgres(Section):
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


class Retention(Section):
    """`[retention]`: what `shadow prune` keeps."""

    payload_days: int = Field(30, ge=1, description="Days that requests and replies are kept.")
    rows_days: int = Field(180, ge=1, description="Days that per-exchange rows are kept; rollups stay.")


class Worker(Section):
    """`[worker]`: the service that asks the other model."""

    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 8081


class Scorer(Section):
    """`[scorer]`: the service that compares and stores."""

    batch: int = Field(4_000, ge=1, description="Most pairs written in one transaction.")
    linger_ms: float = Field(50, ge=0, description="Longest wait for a batch to fill.")
    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 8082


class Judge(Section):
    """`[judge]`: the service that asks judges."""

    every_s: Positive = Field(5.0, description="Pause between looks for pairs to judge.")
    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 8083


class Monitor(Section):
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


class Dashboard(Section):
    """`[dashboard]`: the pages. `shadow dashboard --host` and `--port` override both."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8501, description="Port to listen on.")


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

    @model_validator(mode="wrap")
    @classmethod
    def _told_at_once(cls, given: Any, read: ModelWrapValidatorHandler["Settings"]) -> "Settings":
        # Names are looked up in what was given: where a field is wrong there are no settings to look in.
        wrong, fault = list(_wrong_names(given)), None
        try:
            settings = read(given)
            if not wrong:
                return settings
        except ValidationError as found:
            fault = found
        raise mistakes.joined(fault, wrong, cls.__name__)

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
            raise ConfigError(
                f"postgres.url: no database is named; write it in {DEFAULT_FILE}, or set {POSTGRES_VARIABLE}"
            )
        return self.postgres.url


def file_of(path: Path | None = None) -> Path:
    """The file that `load` reads: `path`, else the one SHADOW_CONFIG names, else ./shadow.toml."""
    return path or Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_FILE)


def load(path: Path | None = None) -> Settings:
    """Settings from `path`, else the file SHADOW_CONFIG names, else ./shadow.toml, else defaults.

    Raises ConfigError with one line for each mistake, of the file and of the environment: where it is, the
    key, what is wrong, and its mend.
    """
    wrong: list[str] = []
    try:
        settings = _in_file(path)
    except ConfigError as fault:
        settings, wrong = Settings(), [str(fault)]
    try:
        settings = _with_environment(settings)
    except ConfigError as fault:
        wrong.append(str(fault))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return settings


def _in_file(path: Path | None) -> Settings:
    file = file_of(path)
    if file == Path(DEFAULT_FILE) and not (path or os.environ.get(CONFIG_VARIABLE) or file.exists()):
        return Settings()  # nobody named it, so it need not be there
    try:
        return Settings.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such file; create it, or point {CONFIG_VARIABLE} at the right one") from None
    except OSError as fault:
        raise ConfigError(f"{file}: cannot be read ({fault.strerror}); name a file that may be read") from None
    except UnicodeDecodeError as fault:
        raise ConfigError(f"{file}: is not UTF-8 ({fault.reason} at byte {fault.start}); save it as UTF-8") from None
    except tomllib.TOMLDecodeError as fault:
        raise ConfigError(
            f"{file}: not valid TOML: {fault}; texts stand in quotes, each key once in its table"
        ) from None
    except ValidationError as fault:
        raise ConfigError("\n".join(f"{file}: {mistake}" for mistake in mistakes.told(fault, Settings))) from None


def _with_environment(settings: Settings) -> Settings:
    if servers := os.environ.get(KAFKA_VARIABLE):
        try:
            kafka = Kafka.model_validate({**settings.kafka.model_dump(), "bootstrap_servers": servers})
        except ValidationError as fault:
            (mistake,) = mistakes.told(fault, Kafka)
            raise ConfigError(f"environment: {KAFKA_VARIABLE}: {mistake.what}") from None
        settings = settings.model_copy(update={"kafka": kafka})
    if url := os.environ.get(POSTGRES_VARIABLE):
        # From the environment a password is welcome, so this does not go through validation.
        postgres = settings.postgres.model_copy(update={"url": url})
        settings = settings.model_copy(update={"postgres": postgres})
    if host := os.environ.get(HEALTH_HOST_VARIABLE):
        own = {name: getattr(settings, name) for name in ("worker", "scorer", "judge", "monitor")}
        settings = settings.model_copy(
            update={name: section.model_copy(update={"health_host": host}) for name, section in own.items()}
        )
    return settings


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


def _wrong_names(given: Any) -> Iterator[tuple[mistakes.Place, str]]:
    """Names that mean nothing or two things, by where they stand, in settings that may be wrong otherwise."""
    models, tasks = (_in(given, key) or {} for key in ("models", "tasks"))
    if not isinstance(models, Mapping) or not isinstance(tasks, Mapping):
        return
    used: list[tuple[mistakes.Place, Any]] = []
    claims: dict[str, str] = {}
    for task, spec in tasks.items():
        used.append((("tasks", task, "frontier"), _in(spec, "frontier")))
        used.append((("tasks", task, "judge"), _in(spec, "judge") or None))  # an empty one is none
        used += [(("tasks", task, "candidates", n), name) for n, name in _entries(spec, "candidates")]
        for n, alias in _entries(spec, "aliases"):
            if (first := claims.setdefault(alias, task)) != task:
                yield ("tasks", task, "aliases", n), f"already means task {first!r}; leave it out in one of the two"
    used.append((("gateway", "upstream"), _in(_in(given, "gateway"), "upstream")))
    for place, name in used:
        if isinstance(name, str) and name not in models:
            mend = mistakes.nearest(name, models) if models else "add a [models.NAME] table"
            yield place, f"is not in [models]; {mend}"


def _in(table: Any, key: str) -> Any:
    """What `table` has under `key`, be it read from a file or made in Python; None where it is no table."""
    return table.get(key) if isinstance(table, Mapping) else getattr(table, key, None)


def _entries(table: Any, key: str) -> Iterator[tuple[int, str]]:
    found = _in(table, key)
    return (
        (n, each) for n, each in enumerate(found if isinstance(found, list | tuple) else ()) if isinstance(each, str)
    )
