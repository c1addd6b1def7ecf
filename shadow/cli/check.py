"""`shadow check`: is everything this shadow.toml names there, and willing?"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from scoring.judge import price_of
from scoring.scorers import name_for, scorer_problems
from shadow.cli.output.evidence_table import plain
from shadow.cli.runtime import preflight
from shadow.errors import ConfigError
from shadow.settings import (
    CONFIG_VARIABLE,
    DEFAULT_FILE,
    KAFKA_VARIABLE,
    POSTGRES_VARIABLE,
    Settings,
    TaskSettings,
    config_file,
    load,
)
from shadow.settings.problems import dotted_key

#: Whether it is well, and the line that says so.
Result: TypeAlias = tuple[bool, str]


def command(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
    file_only: Annotated[bool, typer.Option("--file-only", help="Check the file alone; reach nothing.")] = False,
) -> None:
    """Check shadow.toml, the broker, the database and every model; name file, key and mend of each fault.

    Exits 1 when anything is wrong, so it can guard a deployment.

    Example: shadow check --config shadow.toml
    """
    faults = 0
    for good, line in _results(config, file_only=file_only):
        faults += not good
        typer.echo(f"{'ok   ' if good else 'FAULT'} {plain(line)}", err=not good)
    if faults:
        raise typer.Exit(1)


def _results(config: Path | None, *, file_only: bool) -> Iterator[Result]:
    """What is well and what is not, in one line each. A file with mistakes says nothing of what there is to reach."""
    try:
        settings = load(config)
        yield True, _source(settings, config)
    except ConfigError as fault:
        yield from ((False, line) for line in str(fault).splitlines())
        return
    file = config_file(config)
    for mistake in _tasks(settings):
        yield False, f"{file}: {mistake}"
    if not file_only:
        yield from _broker(settings, _place(file, "kafka.bootstrap_servers", KAFKA_VARIABLE))
        yield from _database(settings, _place(file, "postgres.url", POSTGRES_VARIABLE))
        yield from _models(settings, file)


def _place(file: Path, key: str, variable: str) -> str:
    """Where a setting stands that a variable may override."""
    return f"environment: {variable}" if os.environ.get(variable) else f"{file}: {key}"


def _source(settings: Settings, config: Path | None) -> str:
    """Where the settings are from. Raises ConfigError where nobody has written or set any."""
    if config or os.environ.get(CONFIG_VARIABLE) or Path(DEFAULT_FILE).exists():
        return f"file: {len(settings.models)} models, {len(settings.tasks)} tasks"
    # Capture alone needs no file, but nothing at all is no configuration.
    given = [name for name in (KAFKA_VARIABLE, POSTGRES_VARIABLE) if os.environ.get(name)]
    if not given:
        raise ConfigError(
            f"nothing is configured: there is no {DEFAULT_FILE} here; write one with [models.NAME] and [tasks.NAME] "
            f"tables, as docs/shadow.example.toml shows, or name one with --config or {CONFIG_VARIABLE}"
        )
    return f"environment: {' and '.join(given)}; there is no {DEFAULT_FILE} here"


def _tasks(settings: Settings) -> Iterator[str]:
    if not settings.tasks:
        yield "tasks: none is configured, so nothing is compared; add a [tasks.NAME] table"
    for name, task in settings.tasks.items():
        key = dotted_key("tasks", name)
        for problem in scorer_problems(name_for(task), task.scorer_options):
            yield f"{key}.scorer: {problem}"
        if not task.candidates:
            yield f"{key}.candidates: none, so nothing is compared; name a model of [models]"
        if not task.mirror_rate:
            yield f"{key}.mirror_rate: 0 mirrors nothing; set a share above 0"
        if task.judge:
            yield from _judge(settings, key, task, task.judge)


def _judge(settings: Settings, key: str, task: TaskSettings, judge: str) -> Iterator[str]:
    """Whether the task's judge may do anything. That its endpoint answers is asked of every model."""
    if not task.judge_rate:
        yield f"{key}.judge_rate: 0 shows the judge nothing; set a share above 0, or leave `judge` out"
    try:
        price = price_of(judge, settings.models[judge])
    except ConfigError as fault:
        yield str(fault)
    else:
        if price.upper_bound([]) and not task.judge_usd_per_day:
            yield f"{key}.judge_usd_per_day: 0 pays for no verdict of {judge}; set an amount above 0"


def _broker(settings: Settings, place: str) -> Iterator[Result]:
    servers = settings.kafka.bootstrap_servers
    fault = preflight.broker_fault(servers)
    yield (True, f"kafka: {servers} answers") if fault is None else (False, f"{place}: {fault}")


def _database(settings: Settings, place: str) -> Iterator[Result]:
    if settings.postgres.url is None:
        yield False, f"{place}: no database is named; write its address here, or set {POSTGRES_VARIABLE}"
        return
    faults = list(preflight.database_faults(settings.postgres.url))
    yield from ((False, f"{place}: {fault}") for fault in faults)
    if not faults:
        yield True, "postgres: the schema is this version's"


def _models(settings: Settings, file: Path) -> Iterator[Result]:
    for name, fault in preflight.faults(settings.models).items():
        well = f"{dotted_key('models', name)}: {settings.models[name].base_url} answers"
        yield (True, well) if fault is None else (False, f"{file}: {fault}")
