"""What a server offers, asked for from a page or a command."""

import asyncio
from typing import Any, Protocol, cast

import msgspec
from django.conf import settings

from profiles.models import Server
from profiles.upstream import wire
from profiles.upstream.errors import CredentialRefused, UpstreamError
from profiles.upstream.leg import LIST_TIMEOUT, Answer, Leg
from profiles.upstream.older import SessionStore

MAX_TOOLS = 1000
MAX_NAME = 200  # characters; the specification asks for at most 128
MAX_PAGES = 50


def leg_to(server: Server, *, head: bytes = b"", store: SessionStore | None = None) -> Leg:
    """Return the way to the server; raise AddressRefused.

    `head` are the header lines that sign in. Processes share sessions through the store.
    """
    if server.transport == Server.Transport.STDIO:
        return Leg(f"unix:{settings.NEXUS_STDIO_SOCKET}", command=server.command, name=str(server.pk), store=store)
    return Leg(server.url, head=head, name=str(server.pk), store=store)


def list_tools(server: Server, *, head: bytes = b"") -> list[dict[str, Any]]:
    """Connect to the server and return its tools as it lists them; raise UpstreamError with a sentence."""
    return asyncio.run(_list_and_close(server, head))


async def _list_and_close(server: Server, head: bytes) -> list[dict[str, Any]]:
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
    text = str(error)
    return text if text.endswith(".") else f"“{server}” cannot be used: {text}."


class Asks(Protocol):
    async def request(self, method: str, params: bytes, *, timeout: float) -> Answer: ...


async def all_tools(leg: Asks) -> list[dict[str, Any]]:
    """Return every page of tools/list; raise UpstreamError for an answer that is not a list of tools."""
    tools: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        params = wire.encode({"cursor": cursor} if cursor else {})
        answer = await leg.request("tools/list", params, timeout=LIST_TIMEOUT)
        if answer.error:
            raise UpstreamError(f"it answered tools/list with an error: {answer.error.decode(errors='replace')[:200]}")
        try:
            page = msgspec.json.decode(answer.result)
            tools += [_usable(tool) for tool in page["tools"]]
            cursor = page.get("nextCursor")
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            raise UpstreamError("it answered tools/list with something that is not a list of tools") from None
        if not isinstance(cursor, str) or not cursor or len(tools) >= MAX_TOOLS:
            break
    return tools[:MAX_TOOLS]


def _usable(tool: Any) -> dict[str, Any]:
    """Return the entry of tools/list if every store and header can carry it; raise UpstreamError."""
    name = tool.get("name") if isinstance(tool, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise UpstreamError(f"it lists a tool with a name that cannot be used ({name!r:.60})")
    if b"\\u0000" in wire.encode(tool):
        raise UpstreamError(f"its tool “{name}” carries a NUL character")
    return cast("dict[str, Any]", tool)
