"""Brings calls from the Redis Stream to PostgreSQL. As many may run as are wanted; each call arrives once.

A drain that dies leaves its entries pending; another claims them and stores them again, which changes nothing where
they were stored already. An entry leaves Redis only after the commit.
"""

import logging
import os
import socket
import time
from datetime import datetime
from typing import Any

import django.db
import psycopg
import redis
from django.db import close_old_connections
from redis.exceptions import RedisError, ResponseError

from activity import stream
from activity.recorder.rows import CallRow
from activity.storing import Store
from tokens.keys import Kind
from tokens.models import Connection, DelegatedToken

logger = logging.getLogger("nexus.activity")

ENTRIES_AT_ONCE = 500
WAIT_FOR_ENTRIES = 1000  # ms
DEAD_AFTER = 30_000  # ms after which what another drain took is taken over
CLAIM_EVERY = 10.0  # seconds
NOTE_USES_EVERY = 20.0  # seconds
PAUSE = 1.0  # seconds before a store that is away is asked again

# When a drain was killed before it noted the uses it had stored: those that the tokens do not know of.
MISSED = """
SELECT used.token_public_id, used.last_accepted_at FROM activity_tokenuse used
JOIN {table} known ON known.public_id = used.token_public_id
WHERE used.last_accepted_at > COALESCE(known.last_used_at, '-infinity')"""

Entries = list[tuple[bytes, dict[bytes, bytes]]]


class Drain:
    """One consumer of the group: `run` until `stop` is called, from a signal handler for instance."""

    def __init__(self, url: str, parameters: dict[str, Any]) -> None:
        self._redis = redis.from_url(url, socket_timeout=5, socket_connect_timeout=3)
        self._store = Store(parameters)
        self._consumer = f"{socket.gethostname()}:{os.getpid()}"
        self._uses: dict[tuple[str, str], datetime] = {}
        self._claim_at = self._note_at = 0.0
        self._is_over = False

    def connect(self) -> int:
        """Connect to PostgreSQL, which the first entry would do else; return the process there that works for us."""
        return self._store.connect()

    def stop(self) -> None:
        self._is_over = True

    def run(self) -> None:
        knows_all = False
        while not self._is_over:
            try:
                knows_all = knows_all or self.make_up()
                self.step()
            except (RedisError, psycopg.Error, django.db.Error, OSError) as error:
                logger.warning("calls wait in Redis: %s", type(error).__name__)
                time.sleep(PAUSE)
        self.close()

    def all_that_waits(self) -> int:
        """Store until nothing new is there; return how many entries that were."""
        self._make_group()
        number = 0
        while stored := self.step(wait=None):
            number += stored
        self.close()
        return number

    def make_up(self) -> bool:
        """Take over the uses that a drain before this one stored and did not come to note."""
        for kind, model in ((Kind.DELEGATED, DelegatedToken), (Kind.ACCESS, Connection)):
            missed = self._store.rows_of(MISSED.format(table=model._meta.db_table))
            self._uses |= {(kind.value, public_id): at for public_id, at in missed}
        return True

    def close(self) -> None:
        self._note_uses()
        self._store.close()
        self._redis.close()

    def step(self, wait: int | None = WAIT_FOR_ENTRIES) -> int:
        """Store what is there, or what comes within so many milliseconds; return how many entries that were."""
        try:
            entries = self._abandoned() or self._new(wait)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            self._make_group()
            return 0
        if entries:
            self._bring(entries)
        if time.monotonic() >= self._note_at:
            self._note_at = time.monotonic() + NOTE_USES_EVERY
            self._note_uses()
        return len(entries)

    def _make_group(self) -> None:
        try:
            self._redis.xgroup_create(stream.STREAM, stream.GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):  # another drain was faster
                raise

    def _abandoned(self) -> Entries:
        """Return entries that a drain took and never brought to an end."""
        if time.monotonic() < self._claim_at:
            return []
        claimed: Any = self._redis.xautoclaim(
            stream.STREAM, stream.GROUP, self._consumer, min_idle_time=DEAD_AFTER, count=ENTRIES_AT_ONCE
        )
        entries: Entries = [(entry_id, fields) for entry_id, fields in claimed[1] if fields]
        if not entries:
            self._claim_at = time.monotonic() + CLAIM_EVERY
        return entries

    def _new(self, wait: int | None) -> Entries:
        found: Any = self._redis.xreadgroup(
            stream.GROUP, self._consumer, {stream.STREAM: ">"}, count=ENTRIES_AT_ONCE, block=wait
        )
        return found[0][1] if found else []

    def _bring(self, entries: Entries) -> None:
        done, rows = [], list[CallRow]()
        for entry_id, fields in entries:
            try:
                rows += stream.decode(fields)
            except ValueError as error:
                logger.error("an entry of the stream cannot be read, it stays there: %s", error)
            else:
                done.append(entry_id)
        stored = self._store.store(rows)
        self._uses |= {use: max(at, self._uses.get(use, at)) for use, at in stored.uses.items()}
        with self._redis.pipeline() as pipeline:
            if refused := [row for row in rows if row.id in stored.refused]:
                pipeline.xadd(stream.REFUSED_STREAM, {stream.ROWS: stream.encode(refused)})
            if done:
                pipeline.xack(stream.STREAM, stream.GROUP, *done)
                pipeline.xdel(stream.STREAM, *done)
            pipeline.execute()

    def _note_uses(self) -> None:
        """Note when tokens and connections were last used: not with every batch, for they are locked meanwhile."""
        used: dict[str, dict[str, datetime]] = {Kind.DELEGATED: {}, Kind.ACCESS: {}}
        for (kind, public_id), at in self._uses.items():
            used[kind][public_id] = at
        DelegatedToken.objects.all().touch(_by_id(DelegatedToken, used[Kind.DELEGATED]))
        Connection.objects.all().touch(_by_id(Connection, used[Kind.ACCESS]))
        self._uses = {}
        close_old_connections()


def _by_id(model: type[DelegatedToken] | type[Connection], used: dict[str, datetime]) -> dict[int, datetime]:
    ids = model.objects.filter(public_id__in=used).values_list("pk", "public_id") if used else []
    return {pk: used[public_id] for pk, public_id in ids}
