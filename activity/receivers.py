"""What activity knows that the apps below it ask for."""

from collections.abc import Collection
from typing import Any

from django.db.models import Max
from django.dispatch import receiver

from activity.models import Call
from tokens.signals import clients_wanted


@receiver(clients_wanted)
def clients_last_seen(public_ids: Collection[str], **kwargs: Any) -> dict[str, str]:
    """Return what the client of each token's last call said it is."""
    newest = Call.objects.filter(token_public_id__in=public_ids).order_by()
    moments = newest.values_list("token_public_id").annotate(Max("at"))
    seen = {}
    for public_id, at in moments:
        if call := Call.objects.filter(token_public_id=public_id, at=at).first():
            seen[public_id] = call.claimed_client
    return seen
