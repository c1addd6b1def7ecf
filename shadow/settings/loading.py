"""Loads the settings from the file and the environment, and reports every problem in them at once."""

import os
import tomllib
from pathlib import Path

from pydantic import ValidationError

from shadow.errors import ConfigError
from shadow.settings.environment import (
    CONFIG_VARIABLE,
    DEFAULT_FILE,
    HEALTH_HOST_VARIABLE,
    KAFKA_VARIABLE,
    POSTGRES_VARIABLE,
)
from shadow.settings.problems import problems_of
from shadow.settings.sections import KafkaSettings
from shadow.settings.settings import Settings


def config_file(path: Path | None = None) -> Path:
    """The file that `load` reads: `path`, else the value of SHADOW_CONFIG, else ./shadow.toml."""
    return path or Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_FILE)


def load(path: Path | None = None) -> Settings:
    """Settings from `path`, else the file that SHADOW_CONFIG names, else ./shadow.toml, else the defaults.

    Raises ConfigError with one line for each problem in the file and in the environment: file or variable,
    key, what is wrong, and how to fix it.
    """
    problems: list[str] = []
    try:
        settings = _from_file(path)
    except ConfigError as error:
        settings, problems = Settings(), [str(error)]
    try:
        settings = _with_environment(settings)
    except ConfigError as error:
        problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def _from_file(path: Path | None) -> Settings:
    file = config_file(path)
    if file == Path(DEFAULT_FILE) and not (path or os.environ.get(CONFIG_VARIABLE) or file.exists()):
        return Settings()  # the default file is optional
    try:
        return Settings.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such file; create it, or point {CONFIG_VARIABLE} at the right one") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); name a readable file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{file}: not valid TOML: {error}; put strings in quotes, and write each key once in its table"
        ) from None
    except ValidationError as error:
        raise ConfigError("\n".join(f"{file}: {problem}" for problem in problems_of(error, Settings))) from None


def _with_environment(settings: Settings) -> Settings:
    if servers := os.environ.get(KAFKA_VARIABLE):
        try:
            kafka = KafkaSettings.model_validate({**settings.kafka.model_dump(), "bootstrap_servers": servers})
        except ValidationError as error:
            (problem,) = problems_of(error, KafkaSettings)
            raise ConfigError(f"environment: {KAFKA_VARIABLE}: {problem.message}") from None
        settings = settings.model_copy(update={"kafka": kafka})
    if url := os.environ.get(POSTGRES_VARIABLE):
        # The URL may hold a password here, so it does not go through the validation of the file.
        postgres = settings.postgres.model_copy(update={"url": url})
        settings = settings.model_copy(update={"postgres": postgres})
    if host := os.environ.get(HEALTH_HOST_VARIABLE):
        services = {name: getattr(settings, name) for name in ("worker", "scorer", "judge", "monitor")}
        settings = settings.model_copy(
            update={name: section.model_copy(update={"health_host": host}) for name, section in services.items()}
        )
    return settings
