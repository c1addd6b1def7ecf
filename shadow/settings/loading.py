"""Settings out of the file and the environment, or all that is wrong with them."""

import os
import tomllib
from pathlib import Path

from pydantic import ValidationError

from shadow.errors import ConfigError
from shadow.settings import mistakes
from shadow.settings.sections import KafkaSettings
from shadow.settings.variables import (
    CONFIG_VARIABLE,
    DEFAULT_FILE,
    HEALTH_HOST_VARIABLE,
    KAFKA_VARIABLE,
    POSTGRES_VARIABLE,
)
from shadow.settings.whole import Settings


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
            kafka = KafkaSettings.model_validate({**settings.kafka.model_dump(), "bootstrap_servers": servers})
        except ValidationError as fault:
            (mistake,) = mistakes.told(fault, KafkaSettings)
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
