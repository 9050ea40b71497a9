"""What comes back from a server: one answer, and what it says before it."""

from collections.abc import Awaitable, Callable

import msgspec

from profiles.upstream import sse, wire
from profiles.upstream.errors import CredentialRefused, NoAnswer, Unreachable, UpstreamError
from profiles.upstream.http import Response
from profiles.upstream.wire import Message

STDIO_HOST = "nexus-stdio-host"  # the header by which our own stdio host is known

# Takes a notification or a request of the server's, and the message as it came; returns False to refuse a request.
OnMessage = Callable[[Message, bytes], Awaitable[bool]]


class Answer(msgspec.Struct, frozen=True):
    """An upstream's answer: exactly one of `result` and `error` is there, as the bytes that came."""

    result: bytes = b""
    error: bytes = b""
    status: int = 200  # of HTTP


async def read_answer(response: Response, rpc_id: bytes, on_message: OnMessage) -> Answer:
    """Read the answer to the request of this id from JSON or from a stream; hand on what a stream says before it.

    Raise UpstreamError.
    """
    refuse_elsewhere(response)
    if response.content_type == "text/event-stream":
        return await _read_stream(response, rpc_id, on_message)
    body = await response.read()
    message = message_in(body)
    answer = _answer(message, response.status) if message and message.method is None else None
    if message is None or answer is None:
        raise _not_mcp(response, body)
    if answer.result and not wire.same_id(bytes(message.id), rpc_id):
        response.close()
        raise NoAnswer("it answered another request than this one")
    return answer


async def _read_stream(response: Response, rpc_id: bytes, on_message: OnMessage) -> Answer:
    async for data in sse.data_of_events(response.chunks()):
        message = message_in(data)
        if message is None:
            continue
        if message.method is not None:
            await on_message(message, data)
        elif wire.same_id(bytes(message.id), rpc_id) and (answer := _answer(message, response.status)):
            return answer
    raise NoAnswer("its stream ended before the answer")


def message_in(data: bytes) -> Message | None:
    """Return the message if it is one: in UTF-8, its params an object or absent."""
    try:
        if not data.isascii():
            data.decode()
        message = wire.message_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    params = bytes(message.params).lstrip()
    if params == b"null":
        message.params = wire.ABSENT
    return message if params in (b"", b"null") or params.startswith(b"{") else None


def answer_in(data: bytes, status: int = 200) -> Answer | None:
    """Return the answer in a message: its error, or its result, which in MCP is always an object."""
    message = message_in(data)
    return _answer(message, status) if message and message.method is None else None


def _answer(message: Message, status: int) -> Answer | None:
    result, error = bytes(message.result).lstrip(), bytes(message.error).lstrip()
    if error.startswith(b"{"):
        return Answer(error=error, status=status)
    return Answer(result=result, status=status) if result.startswith(b"{") and error in (b"", b"null") else None


def answer_of(message: Message) -> Answer:
    """Return what answers a request; raise UpstreamError for what is neither a result nor an error."""
    answer = _answer(message, 200)
    if answer is None:
        raise UpstreamError("it answered with something that is not MCP")
    return answer


def refuse_elsewhere(response: Response) -> None:
    if response.status in (301, 302, 303, 307, 308):
        raise UpstreamError(f"it sends elsewhere (HTTP {response.status}); give the final address instead")
    if response.status in (401, 403):
        raise CredentialRefused(response.status, response.headers.get("www-authenticate", ""))


async def first_message(response: Response) -> bytes:
    """Return the body, or what the first event of a stream says."""
    if response.content_type == "text/event-stream":
        async for data in sse.data_of_events(response.chunks()):
            return data
        return b""
    return await response.read()


def _not_mcp(response: Response, body: bytes) -> UpstreamError:
    if STDIO_HOST in response.headers and (detail := _detail(body)):
        did_not_run = response.status == 502 and "before it answered" not in detail
        return Unreachable(detail) if did_not_run else NoAnswer(detail)
    return UpstreamError(f"it answered HTTP {response.status} with something that is not MCP")


def _detail(body: bytes) -> str:
    """Return what the stdio host says of a server that does not run."""
    try:
        return str(msgspec.json.decode(body)["detail"]).rstrip(".")
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""


def reason_in(error: bytes) -> str:
    try:
        return wire.error_decoder.decode(error).message[:200]
    except msgspec.DecodeError:
        return "no reason given"
