"""The Redis Stream on which calls travel from the hub to PostgreSQL: one entry for each micro-batch of rows.

An entry is kept until a drain has stored it (docs/adr/0020-how-calls-are-kept.md).
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from activity.recorder.rows import CallRow

STREAM = "nexus:calls"
REFUSED_STREAM = "nexus:calls:refused"  # rows that PostgreSQL does not take, for a person to look at
GROUP = "drain"
ROWS = b"rows1"  # the field of an entry; another number where the rows are no longer read in this way

_encoder = msgspec.msgpack.Encoder(uuid_format="bytes")
_decoder = msgspec.msgpack.Decoder(list[CallRow])


def encode(rows: list[CallRow]) -> bytes:
    return _encoder.encode(rows)


def decode(entry: dict[bytes, bytes]) -> list[CallRow]:
    """Return the rows; raise ValueError for an entry that this version cannot read."""
    if ROWS not in entry:
        raise ValueError(f"an entry of another version: {sorted(entry)}")
    try:
        return _decoder.decode(entry[ROWS])
    except msgspec.DecodeError as error:
        raise ValueError(f"an entry that is not rows: {error}") from None


def oldest(client: Any) -> datetime | None:
    """Return when the entry was appended that has waited longest."""
    entries = client.xrange(STREAM, count=1)
    return datetime.fromtimestamp(int(entries[0][0].split(b"-")[0]) / 1000, UTC) if entries else None


def why_not_durable(info: dict[str, Any]) -> str:
    """Return why rows would not survive in this Redis (its answers to INFO), and what to do; "" if they do."""
    if not int(info.get("aof_enabled", 0)):
        return "Redis keeps no append-only file. Set `appendonly yes`."
    if info.get("aof_last_write_status", "ok") != "ok":
        return "Redis cannot write its append-only file. Look at its disk."
    policy = info.get("maxmemory_policy", "noeviction")
    if int(info.get("maxmemory", 0)) and policy != "noeviction":
        return f"Redis throws keys away when it is full ({policy}). Set `maxmemory-policy noeviction`."
    return ""
