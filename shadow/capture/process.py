"""The settings and the publisher that every mirrored client of a process shares."""

import logging
import os
import threading
from pathlib import Path
from typing import Final

from shadow import settings as configuration
from shadow.errors import ConfigError
from shadow.publisher import Publisher
from shadow.settings import Settings

_log = logging.getLogger("shadow.capture")
_lock: Final = threading.Lock()
_shared: Publisher | None = None
_warned: Final[set[str]] = set()


def settings_or_none() -> Settings | None:
    """The process's settings, or None where there are none to go by (warned of once).

    An application must run whether or not we are set up, so a mistake in `shadow.toml` is a
    warning here; `shadow check` is where it is an error.
    """
    named = os.environ.get(configuration.CONFIG_VARIABLE) or os.environ.get(configuration.KAFKA_VARIABLE)
    if not named and not Path(configuration.DEFAULT_FILE).exists():
        warn_once(
            "not_configured",
            f"not mirroring: set {configuration.KAFKA_VARIABLE} or {configuration.CONFIG_VARIABLE}, "
            f"or write a {configuration.DEFAULT_FILE}",
        )
        return None
    try:
        return configuration.load()
    except ConfigError as fault:
        warn_once("bad_configuration", f"not mirroring: {fault}")
        return None


def shared_publisher(settings: Settings) -> Publisher:
    """The one publisher of this process, made when it is first asked for."""
    global _shared  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _shared is None:
            _shared = Publisher(settings)
        return _shared


def warn_once(action: str, message: str) -> None:
    """Log a warning the first time `message` comes up in this process."""
    if message not in _warned:
        _warned.add(message)
        _log.warning(message, extra={"action": action})
