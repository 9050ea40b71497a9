"""A session of a server of the oldest era (MCP 2024-11-05, HTTP with SSE).

One stream is open for as long as the session lives; the server names on it the address to post to, and answers on it.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from urllib.parse import SplitResult, quote, urljoin

import msgspec

from profiles.upstream import addresses, sse, wire
from profiles.upstream.answers import refuse_elsewhere
from profiles.upstream.errors import NoAnswer, Unreachable, UpstreamError
from profiles.upstream.http import Pool, Response, refuse_line_breaks
from profiles.upstream.wire import Message

OPEN_TIMEOUT = 20.0  # seconds, until the server has said where to post
POST_TIMEOUT = 20.0  # seconds, where the request has no limit of its own
MAX_WAITING = 16  # messages for one request, that wait until the last one is dealt with
ACCEPTED = 64 * 1024  # bytes that are read of the answer to a post
ENDED = "its stream ended before the answer"

OnMessage = Callable[[Message, bytes], Awaitable[bool]]


class SessionEnded(Unreachable):
    """The session is over, or the server does not know it any more: the request did not run."""


class Waiting:
    """What has come for one request, in its order, until its answer."""

    def __init__(self, on_message: OnMessage, progress_token: bytes) -> None:
        self.progress_token = progress_token
        self._on_message = on_message
        self._came: deque[tuple[Message, bytes]] = deque()
        self._error: BaseException | None = None
        self._is_over = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, message: Message, data: bytes) -> None:
        """Take what came; who sends too much waits."""
        while len(self._came) >= MAX_WAITING and not self._is_over:
            self._room.clear()
            await self._room.wait()
        self._came.append((message, data))
        self._news.set()

    def fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._news.set()

    async def answer(self) -> Message:
        """Hand on what comes, and return the answer; raise what kept it from coming."""
        while True:
            while self._came:
                message, data = self._came.popleft()
                self._room.set()
                if message.method is None:
                    return message
                await self._on_message(message, data)
            if self._error:
                raise self._error
            self._news.clear()
            await self._news.wait()

    def end(self) -> None:
        self._is_over = True
        self._came.clear()
        self._room.set()


class SseSession:
    def __init__(self, pool: Pool, url: str, *, head: bytes = b"", on_idle_message: OnMessage) -> None:
        """`head` are more header lines, the credential for one; `on_idle_message` takes what belongs to no request."""
        self._pool = pool
        self._parts = addresses.parse(url)
        self._head = head
        self._on_idle_message = on_idle_message
        self._post_head = b""
        self._endpoint: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting: dict[int | str, Waiting] = {}
        self._stream: Response | None = None
        self._reader: asyncio.Task[None] | None = None
        self.is_over = False

    async def open(self, timeout: float = OPEN_TIMEOUT) -> None:
        """Open the stream and learn where to post; raise UpstreamError."""
        try:
            async with asyncio.timeout(timeout):
                await self._open(timeout)
        except TimeoutError:
            self.close()
            raise NoAnswer(f"it did not say within {timeout:.0f} s where to send requests") from None
        except BaseException:
            self.close()
            raise

    async def request(
        self,
        rpc_id: bytes,
        body: bytes,
        *,
        on_message: OnMessage,
        timeout: float | None,
        last_look: Callable[[], None] | None = None,
    ) -> Message:
        """Send the request and return the message that answers it; raise UpstreamError.

        It is sent once: SessionEnded means that it did not run, NoAnswer that it may have. What comes on the stream
        meanwhile goes to `on_message`; of several requests, to the one that it names, else to the newest.
        """
        key = _key(rpc_id)
        if key is None or key in self._waiting:
            raise UpstreamError("a request with this id is under way already")
        waiting = self._waiting[key] = Waiting(on_message, _progress_token(body))
        posting = asyncio.create_task(self._post(body, timeout or POST_TIMEOUT, last_look))
        posting.add_done_callback(lambda task: _note_failure(task, waiting))
        try:
            async with asyncio.timeout(timeout):
                return await waiting.answer()
        except TimeoutError:
            raise NoAnswer(f"it did not finish its answer within {timeout:.0f} s") from None
        finally:
            posting.cancel()
            waiting.end()
            del self._waiting[key]

    async def send(self, body: bytes) -> None:
        """Send a notification or an answer; raise UpstreamError."""
        await self._post(body, POST_TIMEOUT, None)

    def close(self) -> None:
        """End the session: all that is under way fails."""
        if self._reader:
            self._reader.cancel()
        self._end(NoAnswer(ENDED))

    async def _open(self, timeout: float) -> None:
        head = _head(b"GET", self._parts) + b"Accept: text/event-stream\r\nCache-Control: no-store\r\n" + self._head
        self._stream = await self._pool.request(head, timeout=timeout, is_stream=True)
        refuse_elsewhere(self._stream)
        if self._stream.status != 200 or self._stream.content_type != "text/event-stream":
            raise UpstreamError(f"it opens no stream (HTTP {self._stream.status})")
        self._reader = asyncio.create_task(self._read(self._stream))
        endpoint = self._same_origin(await self._endpoint)
        kinds = b"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        self._post_head = _head(b"POST", endpoint) + kinds + self._head

    def _same_origin(self, text: str) -> SplitResult:
        """Return the address to post to; whoever may write it could otherwise send our credential anywhere."""
        try:
            endpoint = addresses.parse(urljoin(self._parts.geturl(), text))
        except ValueError:
            raise UpstreamError("it wants its requests sent to what is no address") from None
        if _origin(endpoint) != _origin(self._parts):
            raise UpstreamError("it wants its requests sent to another host")
        return endpoint

    async def _post(self, body: bytes, timeout: float, last_look: Callable[[], None] | None) -> None:
        if self.is_over or not self._post_head:
            raise SessionEnded("its session has ended")
        response = await self._pool.request(self._post_head, body, timeout=timeout, last_look=last_look)
        try:
            if response.status in (404, 410):
                raise SessionEnded("it does not know the session any more")
            refuse_elsewhere(response)
            if response.status >= 300:
                raise UpstreamError(f"it answered HTTP {response.status} to a request")
            with contextlib.suppress(NoAnswer):  # it is accepted; the answer comes on the stream
                await response.read(limit=ACCEPTED)
        finally:
            response.close()

    async def _read(self, stream: Response) -> None:
        failure: UpstreamError = NoAnswer(ENDED)
        try:
            async for event in sse.events(stream.chunks()):
                if event.event == "endpoint":
                    self._note_endpoint(event.data)
                elif message := _message_in(event.data):
                    await self._deliver(message, event.data)
        except UpstreamError as error:
            failure = error
        finally:
            self._end(failure)

    def _note_endpoint(self, data: bytes) -> None:
        """Take the first; a server that changed its mind later would have its reasons."""
        if not self._endpoint.done():
            self._endpoint.set_result(data.decode("utf-8", "replace"))

    async def _deliver(self, message: Message, data: bytes) -> None:
        if message.method is None:
            key = _key(bytes(message.id))
            if key is not None and key in self._waiting:
                await self._waiting[key].put(message, data)
        elif waiting := self._concerned(message):
            await waiting.put(message, data)
        else:
            await self._on_idle_message(message, data)

    def _concerned(self, message: Message) -> Waiting | None:
        """Return the request that the message is about, as far as it says so, else the newest."""
        if message.method == "notifications/progress":
            token = _member(bytes(message.params), "progressToken")
            return next((waiting for waiting in self._waiting.values() if waiting.progress_token == token), None)
        return next(reversed(self._waiting.values()), None)

    def _end(self, error: UpstreamError) -> None:
        self.is_over = True
        if not self._endpoint.done():
            self._endpoint.set_exception(error)
            self._endpoint.exception()  # read once: nobody may wait for it
        for waiting in self._waiting.values():
            waiting.fail(error)
        if self._stream:
            self._stream.close()


def _note_failure(task: "asyncio.Task[None]", waiting: Waiting) -> None:
    if not task.cancelled() and (error := task.exception()):
        waiting.fail(error)


def _head(method: bytes, parts: SplitResult) -> bytes:
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = "?" + quote(parts.query, safe="/?%:@!$&'()*+,;=~[]") if parts.query else ""
    host = addresses.host_of(parts)
    netloc = (f"[{host}]" if ":" in host else host) + (f":{parts.port}" if parts.port else "")
    line = refuse_line_breaks(f"{target}{query} HTTP/1.1").encode("ascii")
    return b"%b %b\r\nHost: %b\r\nUser-Agent: nexus\r\n" % (method, line, refuse_line_breaks(netloc).encode("ascii"))


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, addresses.host_of(parts), addresses.default_port(parts)


def _message_in(data: bytes) -> Message | None:
    try:
        return wire.message_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _key(rpc_id: bytes) -> int | str | None:
    """Return the id as a value, however it was written; None for what can be none."""
    try:
        value = msgspec.json.decode(rpc_id) if rpc_id else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _member(raw: bytes, name: str) -> bytes:
    try:
        return bytes(wire.members_decoder.decode(raw)[name]) if raw else b""
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
        return b""


def _progress_token(body: bytes) -> bytes:
    if b"progressToken" not in body:
        return b""
    return _member(_member(_member(body, "params"), "_meta"), "progressToken")
