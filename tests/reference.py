"""Generates the reference pages of settings and metrics from the code. Run by `make reference`."""

import asyncio
import json
import re
import types
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Union, cast, get_args, get_origin

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic.fields import FieldInfo

from consumers.judge_round import JudgeMetrics
from consumers.kafka.producer import EventProducer
from consumers.monitor import Monitor
from consumers.runtime.health import ConsumerHealth, HealthState
from consumers.scorer import Scorer
from consumers.worker import Worker
from scoring.scorers import SCORERS
from shadow.gateway.metrics import Metrics
from shadow.settings import Section, Settings

DOCS: Final = Path(__file__).parents[1] / "docs"


class Setting(NamedTuple):
    """A key of `shadow.toml`, with the name of its table."""

    table: str
    name: str
    field: FieldInfo

    @property
    def variable(self) -> str | None:
        """The environment variable that overrides it."""
        extra = self.field.json_schema_extra
        return cast("str | None", extra.get("environment")) if isinstance(extra, dict) else None


class Metric(NamedTuple):
    """A metric as Prometheus shows it."""

    name: str
    labels: tuple[str, ...]
    kind: str
    text: str


def pages() -> dict[Path, str]:
    """The expected text of each generated page, by path."""
    return {DOCS / "settings.md": settings_page(), DOCS / "metrics.md": metrics_page()}


def tables(section: type[Section] = Settings, path: str = "") -> Iterator[tuple[str, type[Section]]]:
    """The tables of `shadow.toml`: name and class."""
    for name, field in section.model_fields.items():
        kind = _section_of(field.annotation)
        if kind is not None:
            is_named = get_origin(field.annotation) is dict
            table = f"{path}{name}" + (".NAME" if is_named else "")
            yield table, kind
            yield from tables(kind, f"{table}.")


def settings() -> list[Setting]:
    return [
        Setting(table, name, field)
        for table, section in tables()
        for name, field in section.model_fields.items()
        if _section_of(field.annotation) is None
    ]


def settings_page() -> str:
    lines = [
        "# Settings: every key of `shadow.toml`",
        "",
        "Each command reads the file that `--config` or `SHADOW_CONFIG` names, else `./shadow.toml`, else uses the",
        "defaults. An environment variable overrides the setting it is listed with. API keys and passwords come only",
        "from the environment. `shadow check --file-only` reports every problem with its key and its fix.",
        "Start from [shadow.example.toml](shadow.example.toml).",
    ]
    known = settings()
    for table, section in tables():
        heading, _, about = _docstring(section).partition(": ")
        lines += ["", f"## {heading}", ""]
        lines += [about[0].upper() + about[1:], ""] if about else []
        lines += ["| setting | type | default | description |", "|---|---|---|---|"]
        for each in known:
            if each.table == table:
                description = each.field.description or ""
                description += f" Environment: `{each.variable}`." if each.variable else ""
                cells = (f"`{each.name}`", _kind(each.field), _default(each.field), description)
                lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "## `scorer_options`",
        "",
        "The options of each `scorer`; [how to give a JSON schema](integrator.md).",
    ]
    lines += ["", "| scorer | options |", "|---|---|"]
    for name, scorer in sorted(SCORERS.items()):
        options = ", ".join(f"`{option}` ({_TYPES[kind]})" for option, kind in scorer.options.items())
        lines.append(f"| `{name}` | {options or 'none'} |")
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    lines = [
        "# Metrics: everything that `/metrics` exports",
        "",
        "Prometheus text format; no label holds an id. Tasks that are not in `shadow.toml` share the label `none`.",
        "The [operator's page](operator.md#health-and-metrics) says which metrics to watch and to alert on.",
    ]
    for service, found in metrics().items():
        lines += ["", f"## `shadow {service}`", "", "| metric | type | description |", "|---|---|---|"]
        for each in found:
            labels = f"{{{','.join(each.labels)}}}" if each.labels else ""
            lines.append(f"| `{each.name}{labels}` | {each.kind} | {each.text} |")
    return "\n".join(lines) + "\n"


def metrics() -> dict[str, list[Metric]]:
    """The metrics of each service, by the command that runs it."""
    settings = Settings()
    worker, scorer, judge, monitor = ConsumerHealth("worker"), ConsumerHealth("scorer"), HealthState(), HealthState()
    producer = EventProducer(settings.kafka, source="reference", report_problem=partial(worker.set_problem, "producer"))
    Worker(settings, {}, producer, worker)
    Scorer(settings, cast("Any", None), producer, scorer)
    JudgeMetrics(judge)
    Monitor(settings, monitor, asyncio.Event())
    gateway = CollectorRegistry()
    gateway.register(Metrics(dict))
    registries: Mapping[str, CollectorRegistry] = {
        "gateway": gateway,
        "worker": worker.registry,
        "scorer": scorer.registry,
        "judge run": judge.registry,
        "monitor": monitor.registry,
    }
    return {service: list(_metrics_in(registry)) for service, registry in registries.items()}


def _metrics_in(registry: CollectorRegistry) -> Iterator[Metric]:
    for collector in registry._collector_to_names:  # the public API leaves out metrics without samples
        for family in collector.collect():
            source = collector if isinstance(collector, MetricWrapperBase) else family
            labels = tuple(getattr(source, "_labelnames", ()) or ())
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield Metric(name, labels, family.type, family.documentation)


def _section_of(annotation: Any) -> type[Section] | None:
    """The class of the table, or of the named tables, that a field holds; None for a setting."""
    kind = get_args(annotation)[1] if get_origin(annotation) is dict else annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _docstring(section: type[Section]) -> str:
    return re.sub(r"\s+", " ", section.__doc__ or "").strip()


_TYPES: Final[Mapping[Any, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "true or false",
    dict: "table",
    list: "list of strings",
}
_BOUNDS: Final = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def _kind(field: FieldInfo) -> str:
    found = {name: getattr(rule, name) for rule in field.metadata for name in _BOUNDS if hasattr(rule, name)}
    limits = f"{found['ge']} to {found['le']}" if {"ge", "le"} <= set(found) else ""
    limits = limits or " and ".join(f"{_BOUNDS[name]} {value}" for name, value in found.items())
    return f"{_name(field.annotation)}{f', {limits}' if limits else ''}"


def _name(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _name(next(part for part in parts if part is not type(None)))
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is tuple:
        return "list of strings"
    return _TYPES[origin or annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{json.dumps(value)}`"  # TOML writes these values the same way


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, encoding="utf-8")
