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
    """The process's settings. None, with one warning, where there are none or they are wrong.

    An application must run whether or not mirroring is configured, so a mistake in `shadow.toml`
    is a warning here; `shadow check` is where it is an error.
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
    except ConfigError as error:
        warn_once("bad_configuration", f"not mirroring: {error}", about=str(error))
        return None


def shared_publisher(settings: Settings) -> Publisher:
    """The publisher of this process for these settings, made at the first call."""
    with _lock:
        for publisher in _shared:
            if publisher.settings == settings:
                return publisher
        _shared.append(Publisher(settings))
        return _shared[-1]


def warn_once(action: str, message: str, *, about: str = "") -> None:
    """Log a warning once in this process for each pair of `action` and `about`."""
    if (action, about) not in _warned:
        _warned.add((action, about))
        _log.warning(message, extra={"action": action})


def report_bug(bug: Exception) -> None:
    """Keep an exception of ours from the application: raise it only under pytest, else warn once."""
    if "PYTEST_VERSION" in os.environ:
        raise bug
    # Only the type: the text may quote the request.
    warn_once("capture_bug", f"a request was not mirrored because of a bug in shadow.capture: {type(bug).__name__}")
