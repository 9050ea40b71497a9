"""Puts a hub together for the databases of this installation."""

from typing import Any

from django.conf import settings
from django.db import connections

from activity.recorder import PostgresRecorder, Recorder, SqliteRecorder
from nexus.hub.app import Hub
from nexus.hub.authority import AuthorityCache, Database, SqliteWatch, Watch
from nexus.hub.bus import Bus, LocalBus, RedisBus
from nexus.hub.lease import PostgresWatch
from nexus.hub.limits import Limits
from nexus.hub.slices import Slices


def make_hub() -> Hub:
    database = Database()
    limits = Limits(Slices(settings.REDIS_URL) if settings.REDIS_URL else None)
    return Hub(database, AuthorityCache(database, _watch()), make_recorder(), _bus(), limits)


def _watch() -> Watch:
    if settings.DATABASE_URL:
        return PostgresWatch(connection_parameters())
    return SqliteWatch(str(connections["default"].settings_dict["NAME"]))


def _bus() -> Bus:
    return RedisBus(settings.REDIS_URL) if settings.REDIS_URL else LocalBus()


def make_recorder() -> Recorder:
    if settings.DATABASE_URL:
        return PostgresRecorder(connection_parameters())
    return SqliteRecorder(str(connections["activity"].settings_dict["NAME"]))


def connection_parameters() -> dict[str, Any]:
    """Return what psycopg needs to connect as Django does, without Django's pool."""
    parameters = connections["default"].get_connection_params()
    for name in ("cursor_factory", "context", "prepare_threshold", "pool"):
        parameters.pop(name, None)
    return parameters
