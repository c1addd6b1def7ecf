"""What `shadow.toml` may say.

Precedence: environment over file over default. Secrets (API keys, passwords) come only from
the environment: the file names the *variable*, never the value. The whole file is checked at
once, and every mistake is reported with its key and its mend (see `load`).

variables    which file, and what of the environment
sections     a class for each table
whole        all tables together, and the names they have for each other
mistakes     what is wrong with a table, in a sentence with its mend
loading      from file and environment
"""

from shadow.settings.loading import file_of, load
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
    TopicSettings,
    WorkerSettings,
)
from shadow.settings.variables import (
    CONFIG_VARIABLE,
    DEFAULT_FILE,
    HEALTH_HOST_VARIABLE,
    KAFKA_VARIABLE,
    POSTGRES_VARIABLE,
)
from shadow.settings.whole import Settings

__all__ = [
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
    "file_of",
    "load",
]
