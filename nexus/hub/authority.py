"""What this process knows of tokens and toolkits, and until when it may act on it (docs/adr/0006-authority-epoch.md).

`current()` is asked twice per call: at the headers, and immediately before the first byte goes upstream. It brings the
process up to the newest epoch, or raises Unavailable.
"""

import asyncio
import logging
import sqlite3
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from django.db import close_old_connections

from nexus.hub import guesses
from nexus.hub.guesses import Guesses
from profiles import resolver
from profiles.resolver import ToolkitView
from tokens import keys, lookup
from tokens.lookup import TokenAuthority
from tokens.models.authority import AuthorityChange

logger = logging.getLogger("nexus.hub")

MAX_TOKENS = 20_000
MAX_TOOLKITS = 2_000
PATIENCE = 5.0  # seconds for which the database may take to answer
Scope = AuthorityChange.Scope
CREDENTIALS: dict[str, keys.Kind] = {Scope.TOKEN: keys.Kind.DELEGATED, Scope.CONNECTION: keys.Kind.ACCESS}
T = TypeVar("T")
Entry = TypeVar("Entry", TokenAuthority, ToolkitView)


class Unavailable(Exception):
    """The database cannot be asked, and what was known may no longer hold: nothing is allowed."""


class Watch(Protocol):
    """Learns of changes of rights; one implementation per database."""

    def current(self) -> None: ...
    async def start(self, cache: "AuthorityCache") -> None: ...
    async def stop(self) -> None: ...


class Database:
    """Runs synchronous ORM functions in threads of its own; each gives its connection back when it is done."""

    def __init__(self, threads: int = 4) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="hub-database")

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._call, function, *args)

    @staticmethod
    def _call(function: Callable[..., T], *args: Any) -> T:
        try:
            return function(*args)
        finally:
            close_old_connections()

    async def stop(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)


class AuthorityCache:
    """Tokens by digest and toolkits by id, as of `epoch`; a change drops what it concerns."""

    def __init__(self, database: Database, watch: Watch) -> None:
        self.epoch = -1
        self._database = database
        self._watch = watch
        self._tokens: dict[str, TokenAuthority] = {}
        self._toolkits: dict[uuid.UUID, ToolkitView] = {}
        self._guesses = Guesses()
        self._looks: dict[tuple[str, str], asyncio.Future[TokenAuthority | None]] = {}  # under way
        self._of_servers: list[Callable[[uuid.UUID | None], None]] = []

    def on_server(self, heard: Callable[[uuid.UUID | None], None]) -> None:
        """Have it told of every server about which something has changed; None stands for all of them."""
        self._of_servers.append(heard)

    async def start(self) -> None:
        self.epoch = await self._database.run(lookup.epoch)
        await self._watch.start(self)

    async def stop(self) -> None:
        await self._watch.stop()

    def current(self) -> None:
        """Bring this process up to the newest epoch; raise Unavailable."""
        self._watch.current()

    async def token(self, secret: str, address: str | None = None) -> TokenAuthority | None:
        """Return the token with this secret; None is never remembered, so that a new token works at once.

        What is not a secret of ours by its form and checksum is not asked for. Raise TooManyGuesses where too much
        else that is not there was asked for from the address.
        """
        digest = keys.digest(secret)
        self.current()
        if found := self._tokens.get(digest):
            return found
        kind = keys.kind_of(secret)
        if kind not in lookup.QUERIES:
            return None
        if address is None:
            return await self._look_up(digest, kind)
        return await self._look_once(digest, kind, guesses.subject(address))

    async def _look_once(self, digest: str, kind: keys.Kind, asker: str) -> TokenAuthority | None:
        """Ask once for all who wait at one address: what is found is at least as new as the latest of them."""
        look = self._looks.get((asker, digest))
        if look is None:
            look = asyncio.ensure_future(self._guesses.look(asker, lambda: self._look_up(digest, kind)))
            self._looks[asker, digest] = look
            look.add_done_callback(lambda done: self._looked(asker, digest, done))
        return await asyncio.shield(look)

    def _looked(self, asker: str, digest: str, done: "asyncio.Future[TokenAuthority | None]") -> None:
        del self._looks[asker, digest]
        if not done.cancelled():
            done.exception()  # everybody who asked may have gone

    async def _look_up(self, digest: str, kind: keys.Kind) -> TokenAuthority | None:
        while True:
            epoch, found = await self._ask(lookup.token_with, digest, kind)
            self.current()
            if epoch >= self.epoch:
                break
        return _keep(self._tokens, digest, found, MAX_TOKENS) if found else None

    async def toolkit(self, toolkit_id: uuid.UUID) -> ToolkitView | None:
        """Return the toolkit as of the last `current()`, or None if it is deleted."""
        if found := self._toolkits.get(toolkit_id):
            return found
        while True:
            epoch = self.epoch
            found = await self._ask(resolver.view_of, toolkit_id)
            self.current()
            if epoch == self.epoch:
                break
        return _keep(self._toolkits, toolkit_id, found, MAX_TOOLKITS) if found else None

    async def toolkit_of(self, authority: TokenAuthority) -> ToolkitView | None:
        """Return what the token may use of its toolkit as of the last `current()`, or None if that is deleted."""
        whole = await self.toolkit(authority.toolkit_id)
        if whole is None or (authority.tools is None and not authority.is_read_only):
            return whole
        return whole.narrowed(authority.tools, authority.is_read_only)

    async def _ask(self, function: Callable[..., T], *args: Any) -> T:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._database.run(function, *args)
        except Exception as error:
            logger.warning("the database did not answer", exc_info=error)
            raise Unavailable(type(error).__name__) from error

    def catch_up(self, epoch: int, changes: list[tuple[int, str, str]]) -> None:
        """Forget what the changes (epoch, scope, subject) after the known epoch concern, oldest first.

        Where the log no longer reaches back so far, forget everything.
        """
        if not changes or changes[0][0] != self.epoch + 1:
            self._tell_of(None)
            self._drop(self._tokens, lambda token: True)
            self._drop(self._toolkits, lambda view: True)
        for _, scope, subject in changes:
            self._forget(scope, subject)
        self.epoch = max(self.epoch, epoch)

    def start_over(self, epoch: int) -> None:
        """Forget everything: the epoch has gone back, so this is another state of the database, out of a backup."""
        self.catch_up(self.epoch, [])
        self.epoch = epoch

    def _forget(self, scope: str, subject: str) -> None:
        if scope in CREDENTIALS:
            self._drop(self._tokens, lambda token: token.credential == f"{CREDENTIALS[scope]}:{subject}")
        elif scope == Scope.OWNER:
            self._drop(self._tokens, lambda token: str(token.owner_id) == subject)
        elif scope == Scope.ACCOUNT:
            self._drop(self._tokens, lambda token: str(token.account_id) == subject)
        elif scope == Scope.TOOLKIT:
            self._drop(self._tokens, lambda token: str(token.toolkit_id) == subject)
            self._drop(self._toolkits, lambda view: str(view.toolkit_id) == subject)
        else:
            self._drop(self._toolkits, lambda view: uuid.UUID(subject) in view.servers)
            self._tell_of(uuid.UUID(subject))

    def _tell_of(self, server_id: uuid.UUID | None) -> None:
        for heard in self._of_servers:
            heard(server_id)

    @staticmethod
    def _drop(cache: dict[Any, Entry], concerned: Callable[[Entry], bool]) -> None:
        for key in [key for key, entry in cache.items() if concerned(entry)]:
            cache.pop(key).outdate()


def _keep(cache: dict[Any, Entry], key: Any, entry: Entry, limit: int) -> Entry:
    """Return the one object that stands for this key, so that a change reaches everybody who holds it.

    Two requests may have read the same row at once: the first to come back is kept, and given to both. What is pushed
    out is no longer current, for no change would reach it.
    """
    if key not in cache and len(cache) >= limit:
        cache.pop(next(iter(cache))).outdate()
    return cache.setdefault(key, entry)


class SqliteWatch:
    """Compares SQLite's own count of foreign commits at every look: microseconds, and no lease is needed."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: sqlite3.Connection | None = None
        self._seen = -1
        self._cache: AuthorityCache

    async def start(self, cache: AuthorityCache) -> None:
        self._cache = cache
        self._file = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, isolation_level=None, timeout=1)

    async def stop(self) -> None:
        if self._file:
            self._file.close()

    def current(self) -> None:
        assert self._file
        try:
            (version,) = self._file.execute("PRAGMA data_version").fetchone()
            if version != self._seen:
                self._catch_up()
                self._seen = version
        except sqlite3.Error as error:
            raise Unavailable("the database file cannot be read") from error

    def _catch_up(self) -> None:
        assert self._file
        (epoch,) = self._file.execute("SELECT epoch FROM tokens_authority WHERE id = 1").fetchone()
        known = self._cache.epoch
        if epoch < known:
            self._cache.start_over(epoch)
        elif epoch != known:
            log = (
                "SELECT epoch, scope, subject FROM tokens_authoritychange WHERE epoch > ? AND epoch <= ? ORDER BY epoch"
            )
            self._cache.catch_up(epoch, self._file.execute(log, (known, epoch)).fetchall())
