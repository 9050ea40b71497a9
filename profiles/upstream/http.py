"""The connections to one origin: kept open, used again, never more than the server is to have at once.

It follows no redirect, sends no cookie, uses no proxy, and never sends a request twice.
"""

import asyncio
import contextlib
import os
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

from profiles.upstream import addresses
from profiles.upstream.addresses import Lookup
from profiles.upstream.connection import IDLE_LIMIT, NEVER, Connection, Response
from profiles.upstream.errors import Busy, Unreachable

__all__ = ["Pool", "Response", "refuse_line_breaks"]

CONNECT_TIMEOUT = 5.0  # seconds, for all addresses of a host together
QUEUE_TIMEOUT = 10.0  # seconds that a request waits for one of the others to end
MAX_STREAMS = 2000
LOOK_EVERY = 0.05  # seconds between two looks at whose time has run out
MAX_ADDRESSES = 4  # of a host, that are tried


class Pool:
    """The connections to one origin: at most `limit` at once, idle ones used again, newest first."""

    def __init__(self, url: str, *, limit: int = 512, lookup: Lookup = addresses.look_up) -> None:
        """Take an http(s) address, or unix:<path> for a socket of this machine."""
        self._socket = url.removeprefix("unix:") if url.startswith("unix:") else None
        self._parts = addresses.parse("http://localhost/" if self._socket else url)
        self._ssl = _tls() if self._parts.scheme == "https" else None
        self._lookup = lookup
        self._idle: deque[Connection] = deque()
        self._limit = limit
        self._opening = 0
        self._held: set[Connection] = set()
        self._streams: set[Connection] = set()
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._resolving: asyncio.Task[list[str]] | None = None
        self._reaper: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.host = self._parts.netloc

    async def request(
        self,
        head: bytes,
        body: bytes = b"",
        *,
        timeout: float | None,
        last_look: Callable[[], None] | None = None,
        is_stream: bool = False,
        is_for_whole: bool = False,
    ) -> Response:
        """Send the request and return the response when its headers are there.

        `head` is everything down to, not including, Content-Length; its method may be any but HEAD. `last_look` runs
        immediately before the first byte is sent; what it raises goes to the caller and nothing is sent. Raise Busy or
        Unreachable if nothing was sent, NoAnswer if it was and no answer came in `timeout` seconds, or with
        `is_for_whole` not all of it; without a timeout, the caller watches the clock. A stream that stays open says
        so: it takes no place of a request.
        """
        if is_stream and len(self._streams) >= MAX_STREAMS:
            raise Busy(f"it is busy: {MAX_STREAMS} streams are open, as many as it may have")
        now = time.monotonic()
        connection = self._take(now) or await self._open(timeout)
        try:
            if last_look:
                last_look()
            answer = connection.send(
                b"%bAccept-Encoding: identity\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body),
                now + timeout if timeout else NEVER,
                timeout or 0.0,
                is_for_whole=is_for_whole,
            )
        except BaseException:
            self.give_back(connection)
            raise
        if timeout and self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look_at_clock)
        try:
            response = await answer
        except BaseException:
            connection.abort()
            raise
        if is_stream and connection in self._held:
            self._let_out(connection)
        return response

    def close(self) -> None:
        """End everything; who waits for a connection is told so."""
        self._is_closed = True
        for timer in (self._reaper, self._looking):
            if timer:
                timer.cancel()
        for connection in (*self._held, *self._streams):
            connection.abort()
        while self._hand_on(None):
            pass

    def _let_out(self, connection: Connection) -> None:
        self._held.discard(connection)
        self._streams.add(connection)
        self._hand_on(None)

    def give_back(self, connection: Connection) -> None:
        connection.idle_since = time.monotonic()
        if self._is_closed or connection in self._streams:
            connection.abort()
        elif not self._hand_on(connection):
            self._keep(connection)

    def _keep(self, connection: Connection) -> None:
        self._idle.append(connection)
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().call_later(IDLE_LIMIT, self._reap)

    def lost(self, connection: Connection) -> None:
        if connection in self._streams:
            self._streams.discard(connection)
            return
        self._held.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)
        self._hand_on(None)

    def _reap(self) -> None:
        """End the connections that nobody has used for long; the least used lie in front."""
        now = time.monotonic()
        while self._idle and now - self._idle[0].idle_since >= IDLE_LIMIT:
            self._idle.popleft().abort()
        self._reaper = None
        if self._idle:
            due = self._idle[0].idle_since + IDLE_LIMIT - now
            self._reaper = asyncio.get_running_loop().call_later(due, self._reap)

    def _look_at_clock(self) -> None:
        """One timer for all requests: one for each would cost more than all else that happens here."""
        now = time.monotonic()
        waiting = [connection for connection in (*self._held, *self._streams) if connection.deadline != NEVER]
        for connection in waiting:
            if now > connection.deadline:
                connection.run_out()
        again = asyncio.get_running_loop().call_later
        self._looking = again(LOOK_EVERY, self._look_at_clock) if waiting else None

    def _take(self, now: float) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable(now):
                return connection
            connection.abort()
        return None

    async def _open(self, timeout: float | None) -> Connection:
        """Return a connection that was just given back, or a new one as soon as there may be one more."""
        while len(self._held) + self._opening >= self._limit and not self._is_closed:
            freed = await self._next_free(min(QUEUE_TIMEOUT, timeout or QUEUE_TIMEOUT))
            if freed and freed.is_usable(time.monotonic()):
                return freed
        if self._is_closed:
            raise Unreachable("its address was changed or it was removed")
        self._opening += 1
        try:
            connection = await self._reach(min(CONNECT_TIMEOUT, timeout or CONNECT_TIMEOUT))
        except BaseException:
            self._hand_on(None)
            raise
        finally:
            self._opening -= 1
        if not connection.is_open():
            raise Unreachable("its connection ended before anything was sent")
        self._held.add(connection)
        return connection

    async def _next_free(self, timeout: float) -> Connection | None:
        """Wait until a connection is given back, which is returned, or lost, which makes room for another."""
        freed: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(freed)
        try:
            async with asyncio.timeout(timeout):
                return await freed
        except TimeoutError:
            self._pass_on(freed)
            raise Busy(f"it is busy: {self._limit} requests are under way, as many as it may have") from None
        except asyncio.CancelledError:
            self._pass_on(freed)
            raise

    def _pass_on(self, freed: "asyncio.Future[Connection | None]") -> None:
        """Give what came for a request that waits no longer to the next one."""
        if freed.done() and not freed.cancelled():
            if connection := freed.result():
                self.give_back(connection)
            else:
                self._hand_on(None)

    def _hand_on(self, connection: Connection | None) -> bool:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(connection)
                return True
        return False

    async def _reach(self, timeout: float) -> Connection:
        try:
            async with asyncio.timeout(timeout):
                return await self._connect()
        except TimeoutError:
            raise Unreachable("it could not be reached in time") from None
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(f"its TLS certificate cannot be trusted ({error.verify_message})") from None
        except ssl.SSLError as error:
            raise Unreachable(f"its TLS handshake failed ({error.reason or error})") from None
        except OSError as error:
            raise Unreachable(f"no connection could be made ({_why(error)})") from None

    async def _connect(self) -> Connection:
        """Try the host's addresses one after the other, each for its share of the time that is left."""
        loop = asyncio.get_running_loop()
        if self._socket:
            return (await loop.create_unix_connection(self._connection, self._socket))[1]
        deadline = loop.time() + CONNECT_TIMEOUT
        host, port = addresses.host_of(self._parts), addresses.default_port(self._parts)
        numeric = (await self._resolve(host, port))[:MAX_ADDRESSES]
        failure: OSError = TimeoutError()
        for position, address in enumerate(numeric):
            try:
                async with asyncio.timeout((deadline - loop.time()) / (len(numeric) - position)):
                    return await self._connect_to(address, port, host)
            except OSError as error:
                failure = error
        raise failure

    async def _resolve(self, host: str, port: int) -> list[str]:
        """Ask for the addresses, once for all who want them at the moment."""
        if self._resolving is None or self._resolving.done():
            self._resolving = asyncio.create_task(addresses.resolve(host, port, self._lookup))
            self._resolving.add_done_callback(_note_failure)
        return await asyncio.shield(self._resolving)

    async def _connect_to(self, address: str, port: int, host: str) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(
            self._connection,
            address,
            port,
            ssl=self._ssl,
            server_hostname=host if self._ssl else None,
        )
        return connection

    def _connection(self) -> Connection:
        return Connection(self.give_back, self.lost)


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _note_failure(task: "asyncio.Task[list[str]]") -> None:
    if not task.cancelled():
        task.exception()  # read once: nobody may be left who waits for it


def _why(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error) or type(error).__name__


def refuse_line_breaks(value: str) -> str:
    """Return a header value that can be written as it is; raise ValueError for one that would begin another line."""
    if any(character in value for character in "\r\n\0"):
        _refuse()
    return value


def _refuse() -> NoReturn:
    raise ValueError("A header value must be on one line.")
