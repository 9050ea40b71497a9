"""Fills an installation: `python -m tests.bench.seed TOKENS CALLS`. As many rows of the same kinds at every run; their keys are random."""

import os
import sys
from datetime import timedelta

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nexus.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.utils import timezone  # noqa: E402

from activity.models import Call, uuid7  # noqa: E402
from profiles.models import Toolkit, User  # noqa: E402
from tokens import keys  # noqa: E402
from tokens.models import DelegatedToken  # noqa: E402

BATCH = 2_000
OUTCOMES = ["ok"] * 17 + ["tool_error", "refused", "upstream_error"]


def tokens(owner: User, toolkit: Toolkit, count: int) -> None:
    now = timezone.now().replace(microsecond=0)
    rows = []
    for number in range(count):
        key = keys.make(keys.Kind.DELEGATED)
        issued = now - timedelta(minutes=number % 40_000)
        is_over = number % 3 == 0
        rows.append(
            DelegatedToken(
                public_id=key.public_id, digest=key.digest, last_four=key.last_four, owner=owner, account=toolkit.account,
                toolkit=toolkit, name=f"service {number}", issued_at=issued, activated_at=issued,
                expires_at=issued + timedelta(days=1 + number % 30), stage="ended" if is_over else "current",
                revoked_at=now if is_over else None,
            )
        )  # fmt: skip
    DelegatedToken.objects.bulk_create(rows, batch_size=BATCH)


def calls(owner: User, toolkit: Toolkit, count: int) -> None:
    now = timezone.now()
    ids = list(DelegatedToken.objects.order_by("pk").values_list("public_id", "name")[:200])
    for start in range(0, count, BATCH):
        rows = []
        for number in range(start, min(start + BATCH, count)):
            at = now - timedelta(seconds=number * 20)
            public_id, name = ids[number % len(ids)]
            rows.append(
                Call(
                    id=uuid7(int(at.timestamp() * 1000)), at=at, account_id=toolkit.account_id, owner_id=owner.pk,
                    owner_email=owner.email, toolkit_id=toolkit.pk, toolkit_alias=toolkit.alias, token_public_id=public_id,
                    token_name=name, client_name="bench", method="tools/call", server="echo", tool="echo__echo",
                    outcome=OUTCOMES[number % len(OUTCOMES)], hub_ms=0.2, upstream_ms=1 + number % 50,
                    request_id=f"bench-{number}",
                )
            )  # fmt: skip
        Call.objects.bulk_create(rows)


def main(token_count: int, call_count: int) -> None:
    owner = User.objects.get(email=settings.NEXUS_ADMIN_EMAIL)
    toolkit = Toolkit.objects.get(account=owner.personal_account, alias="bench")
    tokens(owner, toolkit, token_count)
    calls(owner, toolkit, call_count)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
