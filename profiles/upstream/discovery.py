"""What a server offers, asked for from a page or a command."""

import asyncio
from typing import Any, Protocol

import msgspec
from django.conf import settings

from profiles import definitions
from profiles.models import Server
from profiles.upstream import wire
from profiles.upstream.errors import CredentialRefused, UpstreamError
from profiles.upstream.leg import LIST_TIMEOUT, Answer, Leg
from profiles.upstream.older import SessionStore
from profiles.visible import visible

MAX_TOOLS = 1000
MAX_NAME = 200  # characters; the specification asks for at most 128
MAX_PAGES = 50
SPARE_DEPTH = 300  # levels that whoever reads a tool later may stand deeper in the stack
MAX_DEFINITION = 128 * 1024  # bytes of one tool; it goes into the context of a model
MAX_DEFINITIONS = 8 * 1024 * 1024  # bytes of all
MAX_SENTENCE = 500  # characters of what a server says of itself in an error


class Page(msgspec.Struct):
    """A page of tools/list, its tools as the bytes that came."""

    tools: list[msgspec.Raw]
    nextCursor: msgspec.Raw = msgspec.Raw(b"null")


_page = msgspec.json.Decoder(Page)
_anything = msgspec.json.Decoder(msgspec.Raw)


def leg_to(server: Server, *, head: bytes = b"", store: SessionStore | None = None) -> Leg:
    """Return the way to the server; raise AddressRefused.

    `head` are the header lines that sign in. Processes share sessions through the store.
    """
    options: Any = {"name": str(server.pk), "store": store, "limit": server.max_concurrent}
    if server.transport == Server.Transport.STDIO:
        return Leg(f"unix:{settings.NEXUS_STDIO_SOCKET}", command=server.command, **options)
    return Leg(server.url, head=head, **options)


def list_tools(server: Server, *, head: bytes = b"") -> list[bytes]:
    """Connect to the server and return its tools, each as the bytes that came; raise UpstreamError with a sentence."""
    return asyncio.run(_list_and_close(server, head))


async def _list_and_close(server: Server, head: bytes) -> list[bytes]:
    leg = leg_to(server, head=head)
    try:
        async with asyncio.timeout(LIST_TIMEOUT):
            return await all_tools(leg)
    except TimeoutError:
        raise UpstreamError(f"“{server}” did not answer within {LIST_TIMEOUT:.0f} s.") from None
    except CredentialRefused as error:
        raise CredentialRefused(error.status, error.challenge, sentence(server, error)) from error
    except UpstreamError as error:
        raise type(error)(sentence(server, error)) from error
    finally:
        leg.close()


def sentence(server: object, error: UpstreamError) -> str:
    """Return what happened as a sentence that names the server."""
    text = visible(str(error)[:MAX_SENTENCE])
    return text if text.endswith(".") else f"“{server}” cannot be used: {text}."


class Asks(Protocol):
    async def request(self, method: str, params: bytes, *, timeout: float) -> Answer: ...


async def all_tools(leg: Asks) -> list[bytes]:
    """Return every page of tools/list; raise UpstreamError for an answer that is not a list of tools."""
    tools: list[bytes] = []
    size = 0
    params = wire.EMPTY
    for _ in range(MAX_PAGES):
        answer = await leg.request("tools/list", bytes(params), timeout=LIST_TIMEOUT)
        if answer.error:
            raise UpstreamError(f"it answered tools/list with an error: {answer.error.decode(errors='replace')[:200]}")
        size += len(answer.result)
        if size > MAX_DEFINITIONS:
            raise UpstreamError(f"its list of tools is larger than {MAX_DEFINITIONS // (1024 * 1024)} MB")
        try:
            page = _page.decode(answer.result)
        except (msgspec.DecodeError, RecursionError):
            raise UpstreamError("it answered tools/list with something that is not a list of tools") from None
        tools += [_usable(bytes(raw)) for raw in page.tools]
        if not bytes(page.nextCursor).startswith(b'"') or len(tools) >= MAX_TOOLS:
            break
        params = msgspec.Raw(wire.encode({"cursor": page.nextCursor}))
    return tools[:MAX_TOOLS]


def _usable(raw: bytes) -> bytes:
    """Return the entry of tools/list if every store and header can carry it; raise UpstreamError."""
    try:
        raw.decode()
        _anything.decode(b"[" * SPARE_DEPTH + raw + b"]" * SPARE_DEPTH)
        name = definitions.name_in(raw)
    except RecursionError:
        raise UpstreamError("it lists a tool whose definition is nested too deeply") from None
    except UnicodeDecodeError:
        raise UpstreamError("it lists a tool in something that is not UTF-8") from None
    except msgspec.DecodeError:
        name = ""
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise UpstreamError(f"it lists a tool with a name that cannot be used ({name!r:.60})")
    if len(raw) > MAX_DEFINITION:
        raise UpstreamError(f"its tool “{name}” is described in more than {MAX_DEFINITION // 1024} KB")
    return raw
