"""One log format for Django, Celery and the hub: a line of JSON each, or readable text on a terminal."""

import logging
import logging.config
import re
import sys
from typing import Any

import structlog

from profiles.visible import visible_lines
from tokens import keys

REDACTED = "…"
SECRET_NAMES = re.compile(r"authorization|cookie|password|passwd|secret|api_?key|digest", re.IGNORECASE)
CREDENTIALS_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s:]*:[^/@\s]+@")
BEARER = re.compile(r"\b(bearer|basic)\s+[^\s,;'\"]+", re.IGNORECASE)
# Members such as "password=…" and 'client_secret': '…' in text that others wrote.
NAMED = re.compile(
    r"""((?:access_token|refresh_token|subject_token|client_secret|password|code_verifier|api_key)["']?\s*[=:]\s*["']?)[^\s&"',}]+"""
)


def redact(text: str) -> str:
    """Return the text without anything that opens a door, or that a terminal would obey."""
    text = keys.redact(visible_lines(text))
    text = CREDENTIALS_IN_ADDRESS.sub(f"{REDACTED}@", text)
    text = BEARER.sub(rf"\1 {REDACTED}", text)
    return NAMED.sub(rf"\1{REDACTED}", text)


def redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {name: redact_member(str(name), member) for name, member in value.items()}
    if isinstance(value, list | tuple | set):
        return [redact_value(member) for member in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(repr(value))


def redact_member(name: str, value: Any) -> Any:
    return REDACTED if value and SECRET_NAMES.search(name) else redact_value(value)


def redact_secrets(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Take every secret out of what is logged, whoever put it there."""
    private = {name: value for name, value in event.items() if name.startswith("_")}  # structlog's own
    return {name: redact_member(name, value) for name, value in event.items() if name not in private} | private


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
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(True)
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
            # Never DEBUG, whatever NEXUS_DEBUG says: libraries log bodies and tokens there.
            "root": {"handlers": ["stderr"], "level": "INFO"},
            "loggers": {name: {"level": level, "handlers": [], "propagate": True} for name, level in LEVELS.items()},
        }
    )


LEVELS = {
    "celery": "WARNING",
    "kombu": "ERROR",
    "uvicorn": "WARNING",
    "uvicorn.access": "WARNING",
    "oauthlib": "INFO",
    "httpx2": "WARNING",
    "mcp": "WARNING",
    "py.warnings": "ERROR",
    "django.request": "ERROR",  # nexus.request has a line for each request already
    "django.security.DisallowedHost": "CRITICAL",
}
