"""The whole of `shadow.toml`: its tables, and whether the names in them refer to something."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator

from shadow.errors import ConfigError
from shadow.records import Role
from shadow.settings.environment import DEFAULT_FILE, POSTGRES_VARIABLE
from shadow.settings.problems import Location, merged_error, suggestion
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
    def _report_all_at_once(cls, data: Any, validate: ModelWrapValidatorHandler["Settings"]) -> "Settings":
        # Looks names up in the raw data, because there are no settings to look in where a field is wrong.
        problems, error = list(_unknown_names(data)), None
        try:
            settings = validate(data)
            if not problems:
                return settings
        except ValidationError as caught:
            error = caught
        raise merged_error(error, problems, cls.__name__)

    def sent_name(self, model: str) -> str:
        """The model name that is sent to the endpoint called `model`."""
        return self.models[model].model or model

    def role_of(self, task: str, model: str) -> Role | None:
        """The role in `task` of the model that a request or reply names `model`; None if it has none."""
        spec = self.tasks.get(task)
        if spec is None:
            return None
        names: dict[Literal["frontier", "candidate"], set[str]] = {
            "frontier": {spec.frontier, self.sent_name(spec.frontier)},
            "candidate": {n for c in spec.candidates for n in (c, self.sent_name(c))},
        }
        return next((role for role, known in names.items() if model in known), None)

    def postgres_url(self) -> str:
        """The URL of the database. Raises ConfigError where none is configured."""
        if self.postgres.url is None:
            raise ConfigError(
                f"postgres.url: no database is named; write its address in {DEFAULT_FILE}, or set {POSTGRES_VARIABLE}"
            )
        return self.postgres.url


def _unknown_names(data: Any) -> Iterator[tuple[Location, str]]:
    """Names that refer to nothing or to two things: location and message. `data` may be invalid otherwise."""
    models, tasks = (_value(data, key) or {} for key in ("models", "tasks"))
    if not isinstance(models, Mapping) or not isinstance(tasks, Mapping):
        return
    used: list[tuple[Location, Any]] = []
    claims: dict[str, str] = {}
    for task, spec in tasks.items():
        used.append((("tasks", task, "frontier"), _value(spec, "frontier")))
        used.append((("tasks", task, "judge"), _value(spec, "judge") or None))  # an empty string means no judge
        if _value(spec, "scorer") == "meaning":
            options = _value(spec, "scorer_options")
            used.append((("tasks", task, "scorer_options", "model"), _value(options, "model")))
        used += [(("tasks", task, "candidates", n), name) for n, name in _entries(spec, "candidates")]
        for n, alias in _entries(spec, "aliases"):
            if (first := claims.setdefault(alias, task)) != task:
                yield ("tasks", task, "aliases", n), f"already belongs to task {first!r}; remove it from one of the two"
    used.append((("gateway", "upstream"), _value(_value(data, "gateway"), "upstream")))
    for location, name in used:
        if isinstance(name, str) and name not in models:
            fix = suggestion(name, models) if models else "add a [models.NAME] table"
            yield location, f"is not in [models]; {fix}"


def _value(table: Any, key: str) -> Any:
    """The value of `key` in a table that was read from a file or made in Python; None where it has none."""
    return table.get(key) if isinstance(table, Mapping) else getattr(table, key, None)


def _entries(table: Any, key: str) -> Iterator[tuple[int, str]]:
    found = _value(table, key)
    return (
        (n, each) for n, each in enumerate(found if isinstance(found, list | tuple) else ()) if isinstance(each, str)
    )
