"""Puts a hub together for the databases of this installation."""

from django.conf import settings
from django.db import connections

from activity.recorder import PostgresRecorder, Recorder, SqliteRecorder, StreamRecorder
from activity.storing import connection_parameters
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
    if not settings.DATABASE_URL:
        return SqliteRecorder(str(connections["activity"].settings_dict["NAME"]))
    direct = PostgresRecorder(connection_parameters())
    return StreamRecorder(settings.REDIS_URL, direct) if settings.REDIS_URL else direct
