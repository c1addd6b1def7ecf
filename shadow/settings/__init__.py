"""The settings: what `shadow.toml` and the environment configure.

Precedence: environment over file over default. Secrets (API keys, passwords) come only from
the environment: the file names the *variable*, never the value. `load` checks the whole file at
once and reports every problem with its key and its fix.

environment  the environment variables, and the default file name
sections     a class for each table of the file
settings     the whole file, and whether its tables refer to names that exist
problems     validation errors as one line each: key, what is wrong, fix
loading      reads the file and the environment
"""

from shadow.settings.environment import (
    CONFIG_VARIABLE,
    DEFAULT_FILE,
    HEALTH_HOST_VARIABLE,
    KAFKA_VARIABLE,
    POSTGRES_VARIABLE,
)
from shadow.settings.loading import config_file, load
from shadow.settings.sections import (
    BROKER_MESSAGE_BYTES,
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
    TopicSettings,
    WorkerSettings,
)
from shadow.settings.settings import Settings

__all__ = [
    "BROKER_MESSAGE_BYTES",
    "CONFIG_VARIABLE",
    "DEFAULT_FILE",
    "HEALTH_HOST_VARIABLE",
    "KAFKA_VARIABLE",
    "POSTGRES_VARIABLE",
    "DashboardSettings",
    "GatewaySettings",
    "JudgeSettings",
    "KafkaSettings",
    "ModelSettings",
    "MonitorSettings",
    "PostgresSettings",
    "PublisherSettings",
    "RedactionSettings",
    "RetentionSettings",
    "ScorerSettings",
    "Section",
    "Settings",
    "TaskSettings",
    "TopicSettings",
    "WorkerSettings",
    "config_file",
    "load",
]
