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
_shared: Final[list[Publisher]] = []
_warned: Final[set[tuple[str, str]]] = set()


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
        warn_once("bad_configuration", f"not mirroring: {fault}", about=str(fault))
        return None


def shared_publisher(settings: Settings) -> Publisher:
    """The one publisher of this process for these settings, made when it is first asked for."""
    with _lock:
        for publisher in _shared:
            if publisher.settings == settings:
                return publisher
        _shared.append(Publisher(settings))
        return _shared[-1]


def warn_once(action: str, message: str, *, about: str = "") -> None:
    """Log a warning the first time `action` comes up in this process, for each thing it is `about`."""
    if (action, about) not in _warned:
        _warned.add((action, about))
        _log.warning(message, extra={"action": action})
