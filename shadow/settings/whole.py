"""All of `shadow.toml`: its tables, and whether the names in them mean something."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator

from shadow.errors import ConfigError
from shadow.records import Role
from shadow.settings import mistakes
from shadow.settings.sections import (
    DashboardSettings,
    GatewaySettings,
    JudgeSettings,
    KafkaSettings,
    ModelSettings,
    MonitorSettings,
    PostgresSettings,
    PublisherSettings,
    RedactionSettings,
    RetentionSettings,
    ScorerSettings,
    Section,
    TaskSettings,
    WorkerSettings,
)
from shadow.settings.variables import DEFAULT_FILE, POSTGRES_VARIABLE


class Settings(Section):
    """The whole of `shadow.toml`."""

    models: dict[str, ModelSettings] = Field(default_factory=dict)
    tasks: dict[str, TaskSettings] = Field(default_factory=dict)
    kafka: KafkaSettings = KafkaSettings()
    publisher: PublisherSettings = PublisherSettings()
    redaction: RedactionSettings = RedactionSettings()
    gateway: GatewaySettings = GatewaySettings()
    postgres: PostgresSettings = PostgresSettings()
    retention: RetentionSettings = RetentionSettings()
    worker: WorkerSettings = WorkerSettings()
    scorer: ScorerSettings = ScorerSettings()
    judge: JudgeSettings = JudgeSettings()
    monitor: MonitorSettings = MonitorSettings()
    dashboard: DashboardSettings = DashboardSettings()

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
