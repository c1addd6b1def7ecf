"""The environment variables that override settings, and the default file name."""

from typing import Final

CONFIG_VARIABLE: Final = "SHADOW_CONFIG"
KAFKA_VARIABLE: Final = "SHADOW_KAFKA"
POSTGRES_VARIABLE: Final = "SHADOW_POSTGRES"
HEALTH_HOST_VARIABLE: Final = "SHADOW_HEALTH_HOST"
DEFAULT_FILE: Final = "shadow.toml"
