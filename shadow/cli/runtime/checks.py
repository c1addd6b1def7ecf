"""The checks of `shadow check`: of the file, then of what it names. Each gives one line."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from scoring.judge import price_of
from scoring.scorers import name_for, scorer_problems
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

#: Whether a check passed, and the line about it.
Result: TypeAlias = tuple[bool, str]


def results(config: Path | None, *, file_only: bool) -> Iterator[Result]:
    """The result of each check. A file that cannot be loaded ends the checks: it names nothing to reach."""
    try:
        settings = load(config)
        yield True, _source(settings, config)
    except ConfigError as error:
        yield from ((False, line) for line in str(error).splitlines())
        return
    file = config_file(config)
    for problem in _tasks(settings):
        yield False, f"{file}: {problem}"
    if not file_only:
        yield from _connections(settings, file)


def _source(settings: Settings, config: Path | None) -> str:
    """Where the settings come from. Raises ConfigError if there is neither a file nor a variable."""
    if config or os.environ.get(CONFIG_VARIABLE) or Path(DEFAULT_FILE).exists():
        return f"file: {len(settings.models)} models, {len(settings.tasks)} tasks"
    # Capture alone needs no file, but a check without any settings checks nothing.
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
    """What keeps the task's judge from giving verdicts. Its endpoint is checked with all models."""
    if not task.judge_rate:
        yield f"{key}.judge_rate: 0 shows the judge nothing; set a share above 0, or leave `judge` out"
    try:
        price = price_of(judge, settings.models[judge])
    except ConfigError as error:
        yield str(error)
    else:
        if price.upper_bound([]) and not task.judge_usd_per_day:
            yield f"{key}.judge_usd_per_day: 0 pays for no verdict of {judge}; set an amount above 0"


def _connections(settings: Settings, file: Path) -> Iterator[Result]:
    from shadow.cli.runtime import preflight  # loads the clients of Kafka, PostgreSQL and HTTP

    servers, url = settings.kafka.bootstrap_servers, settings.postgres.url
    problem = preflight.broker_problem(servers)
    key = _key(file, "kafka.bootstrap_servers", KAFKA_VARIABLE)
    yield (True, f"kafka: {servers} answers") if problem is None else (False, f"{key}: {problem}")
    if problem is None:
        yield from (
            (False, f"{file}: publisher.max_message_bytes: {each}") for each in preflight.topic_problems(settings)
        )

    key = _key(file, "postgres.url", POSTGRES_VARIABLE)
    if url is None:
        yield False, f"{key}: no database is named; set its URL here, or set {POSTGRES_VARIABLE}"
    else:
        problems = list(preflight.database_problems(url))
        yield from ((False, f"{key}: {problem}") for problem in problems)
        if not problems:
            yield True, "postgres: the schema is this version's"

    for name, problem in preflight.model_problems(settings.models).items():
        answers = f"{dotted_key('models', name)}: {settings.models[name].base_url} answers"
        yield (True, answers) if problem is None else (False, f"{file}: {problem}")


def _key(file: Path, key: str, variable: str) -> str:
    """Where the value of a setting comes from, if an environment variable may override the file."""
    return f"environment: {variable}" if os.environ.get(variable) else f"{file}: {key}"
