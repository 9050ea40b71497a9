"""Calls as the hub writes them."""

from datetime import datetime
from typing import Any

from django.db import connections, router
from django.utils import timezone

from activity.models import Call, Finding, Rule, uuid7
from activity.recounting import recount
from tokens.models import DelegatedToken


def call_of(token: DelegatedToken, at: datetime | None = None, **fields: Any) -> Call:
    at = at or timezone.now()
    pk = uuid7(int(at.timestamp() * 1000))
    values = {
        "id": pk, "at": at, "account_id": token.account_id, "owner_id": token.owner_id,
        "owner_email": token.owner.email, "toolkit_id": token.toolkit_id, "toolkit_alias": token.toolkit.alias,
        "token_public_id": token.public_id, "token_name": token.name, "method": "tools/call", "tool": "echo__echo",
        "outcome": Call.Outcome.OK, "hub_ms": 1.0, "request_id": str(pk),
    }  # fmt: skip
    return Call(**{**values, **fields})


def make_call(token: DelegatedToken, at: datetime | None = None, **fields: Any) -> Call:
    call = call_of(token, at, **fields)
    call.save(force_insert=True)
    return call


def make_calls(token: DelegatedToken, moments: list[datetime], **fields: Any) -> None:
    Call.objects.bulk_create([call_of(token, at, **fields) for at in moments], batch_size=1000)


def make_finding(token: DelegatedToken, at: datetime | None = None, **fields: Any) -> Finding:
    at = at or timezone.now()
    sign = {"value": "203.0.113.0/24", "said": "A call from 203.0.113.0/24.", "address": "203.0.113.7"}
    values = {
        "rule": Rule.NETWORK, "account_id": token.account_id, "owner_id": token.owner_id,
        "toolkit_id": token.toolkit_id, "family": token.family, "token_public_id": token.public_id,
        "token_name": token.name, "first_at": at, "last_at": at, "found_at": at,
        "evidence": [{**sign, "at": at.isoformat()}],
    }  # fmt: skip
    found: Finding = Finding.objects.create(**{**values, **fields})
    return found


def count_calls() -> None:
    """Bring the rollups up to what the test has written, as the drain would have."""
    recount(connections[router.db_for_write(Call) or "default"])
