"""Calls and events as files: streamed in batches, so that neither memory nor a connection is held for a slow reader."""

import csv
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from io import StringIO
from typing import Any

import msgspec
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpRequest, StreamingHttpResponse

from activity.keyset import Listing
from profiles.visible import visible

_json = msgspec.json.Encoder()
BATCH = 5_000  # rows in one piece
TYPES = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}
# What a spreadsheet takes for the beginning of a formula, in full width too.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
RISKY = re.compile(rf"\| *[{re.escape(''.join(FORMULA))}]")
CALL_COLUMNS = (
    "request_id", "outcome", "reason", "toolkit_alias", "server", "tool", "method", "token_name", "token_kind",
    "token_public_id", "owner_email", "application", "actors", "client_name", "client_version", "address",
    "user_agent", "protocol", "hub_ms", "upstream_ms", "bytes_in", "bytes_out", "arguments", "result",
)  # fmt: skip
EVENT_COLUMNS = (
    "action", "actor_kind", "actor_id", "actor_label", "subject_kind", "subject_id", "subject_label", "reason",
    "before", "after", "address", "agent", "request_id",
)  # fmt: skip


def answer(request: HttpRequest, pieces: Iterator[bytes], name: str, form: str) -> StreamingHttpResponse:
    """Return the pieces as a file to keep."""
    # Under ASGI a plain iterator would be read to its end before the first byte went out.
    content = in_thread(pieces) if isinstance(request, ASGIRequest) else pieces
    return StreamingHttpResponse(
        content,
        content_type=TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="{name}.{form}"', "Cache-Control": "no-store"},
    )


async def in_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    def following() -> bytes | None:
        return next(pieces, None)

    while (piece := await sync_to_async(following)()) is not None:
        yield piece


def pieces_of(listing: Listing[Any], columns: Sequence[str], form: str, zone: tzinfo) -> Iterator[bytes]:
    """Return the rows as CSV, or as one JSON object a line."""
    if form == "csv":
        yield _csv([["time_utc", "time_local", "id", *columns]])
    for rows in listing.batches(columns, BATCH):
        _give_back(listing)
        yield _csv(_cells(rows, zone)) if form == "csv" else _lines(rows, columns)


def _give_back(listing: Listing[Any]) -> None:
    """Give the connection back to the pool: how fast the reader takes what follows is not ours to say."""
    connection = connections[listing.sources[0].db]
    if not connection.in_atomic_block:
        connection.close()


def _csv(rows: Any) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cells(rows: list[tuple[Any, ...]], zone: tzinfo) -> Iterator[list[Any]]:
    for at, pk, *values in rows:
        # One look at all texts of the row: hardly any has something to hide.
        texts = "|".join(["", *[value for value in values if value.__class__ is str]])
        if not texts.isprintable() or RISKY.search(texts) or dict in map(type, values):
            values = list(map(cell, values))
        yield [_moment(at, UTC), _moment(at, zone), pk, *values]


def _moment(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).isoformat(timespec="milliseconds")


def cell(value: Any) -> Any:
    """Return the value as a spreadsheet may see it: text as text, what cannot be seen by its code."""
    if isinstance(value, dict):
        value = _json.encode(value).decode()
    if not isinstance(value, str):
        return value
    text = value if value.isprintable() else visible(value)
    return f"'{text}" if value.lstrip(" ").startswith(FORMULA) else text


def _lines(rows: list[tuple[Any, ...]], columns: Sequence[str]) -> bytes:
    names = ("at", "id", *columns)
    return _json.encode_lines(dict(zip(names, row, strict=True)) for row in rows)
