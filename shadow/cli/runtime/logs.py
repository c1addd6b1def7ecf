"""Logs of the long-running commands: one structured line per event on standard error."""

import logging
import sys
from typing import Final

import structlog
from structlog.typing import Processor

#: Libraries that log payloads or a line per fetch at DEBUG. They log only from WARNING on.
_QUIET: Final = ("kafka", "aiokafka", "faust", "mode", "httpx2", "openai", "uvicorn.access", "asyncio")


def configure(*, level: str = "INFO") -> None:
    """Send structlog and the standard library's logging to standard error, in one format.

    Readable lines on a terminal, JSON lines elsewhere. The Kafka client logs keys, values
    and headers at DEBUG, so such libraries stay at WARNING for every `level`.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    on_terminal = sys.stderr.isatty()
    renderer: Processor = structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
