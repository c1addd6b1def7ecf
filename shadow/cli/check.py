"""`shadow check`: is everything this shadow.toml names there, and willing?"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from scoring.judge import price_of
from scoring.scorers import mistakes, name_for
from shadow import topics
from shadow.cli import reach
from shadow.errors import ConfigError, ShadowError
from shadow.settings import CONFIG_VARIABLE, DEFAULT_FILE, KAFKA_VARIABLE, POSTGRES_VARIABLE, Settings, load
from shadow.store import engine, migrate


def command(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="shadow.toml to use.")] = None,
    file_only: Annotated[bool, typer.Option("--file-only", help="Check the file alone; reach nothing.")] = False,
) -> None:
    """Check shadow.toml, the broker, the database and every model; name each fault and its mend.

    Exits 1 when anything is wrong, so it can guard a deployment.

    Example: shadow check --config shadow.toml
    """
    settings = load(config)
    typer.echo(f"ok    {_source(settings, config)}")
    checks = [partial(_tasks, settings)]
    if not file_only:
        checks += [partial(_broker, settings), partial(_database, settings), partial(_models, settings)]
    faults = 0
    for check in checks:
        for good, line in _results(check):
            faults += not good
            typer.echo(f"{'ok   ' if good else 'FAULT'} {line}", err=not good)
    if faults:
        raise typer.Exit(1)


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


def _results(check: Callable[[], Iterator[tuple[bool, str]]]) -> Iterator[tuple[bool, str]]:
    try:
        yield from check()
    except ShadowError as fault:
        yield False, str(fault)


def _tasks(settings: Settings) -> Iterator[tuple[bool, str]]:
    if not settings.tasks:
        yield False, "tasks: none is configured, so nothing is compared; add a [tasks.NAME] table"
    for name, task in settings.tasks.items():
        for mistake in mistakes(name_for(task), task.scorer_options):
            yield False, f"tasks.{name}.scorer: {mistake}"
        if not task.candidates:
            yield False, f"tasks.{name}.candidates: none, so nothing is compared; name a model of [models]"
        if not task.mirror_rate:
            yield False, f"tasks.{name}.mirror_rate: 0 mirrors nothing; set a share above 0"
        if task.judge:
            yield from _judge(settings, name, task.judge)


def _judge(settings: Settings, name: str, judge: str) -> Iterator[tuple[bool, str]]:
    """Whether the task's judge may do anything. That its endpoint answers is asked of every model."""
    task = settings.tasks[name]
    if not task.judge_rate:
        yield False, f"tasks.{name}.judge_rate: 0 shows the judge nothing; set a share above 0, or leave `judge` out"
    try:
        price = price_of(judge, settings.models[judge])
    except ConfigError as fault:
        yield False, str(fault)
    else:
        if price.at_most([]) and not task.judge_usd_per_day:
            yield False, f"tasks.{name}.judge_usd_per_day: 0 pays for no verdict of {judge}; set an amount above 0"


def _broker(settings: Settings) -> Iterator[tuple[bool, str]]:
    servers = settings.kafka.bootstrap_servers
    try:
        topics.wait_for_broker(servers, timeout=5)
    except ShadowError as fault:
        yield False, f"kafka.bootstrap_servers: {fault}; is the broker up, and the address right?"
    else:
        yield True, f"kafka: {servers} answers"


def _database(settings: Settings) -> Iterator[tuple[bool, str]]:
    url = settings.postgres_url()
    database = engine.connect(url)
    try:
        with database.connect():
            yield True, "postgres: connected"
        differences = migrate.drift(url)
        for difference in differences:
            yield False, f"postgres: {difference}; run `shadow migrate`"
        if not differences:
            yield True, "postgres: the schema is this version's"
    finally:
        database.dispose()


def _models(settings: Settings) -> Iterator[tuple[bool, str]]:
    for name, fault in reach.faults(settings.models).items():
        yield (True, f"models.{name}: {settings.models[name].base_url} answers") if fault is None else (False, fault)
