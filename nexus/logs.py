"""One log format for Django, Celery and the hub: a line of JSON each, or readable text on a terminal."""

import logging
import logging.config
import sys
from typing import Any

import structlog

from tokens import keys


def redact_secrets(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Take every secret out of what is logged, whoever put it there."""
    return {name: keys.redact(value) if isinstance(value, str) else value for name, value in event.items()}


SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.format_exc_info,
    redact_secrets,
]


def configure() -> None:
    """Configure logging for this process; safe to call again."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "nexus": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": SHARED,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "nexus"}},
            "root": {"handlers": ["stderr"], "level": "INFO"},
            "loggers": {
                "oauthlib": {"level": "INFO"},  # logs raw tokens at DEBUG
                "uvicorn.access": {"level": "WARNING"},
                "httpx2": {"level": "WARNING"},
                "mcp": {"level": "WARNING"},
            },
        }
    )
