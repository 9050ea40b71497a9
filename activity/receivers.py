"""What activity knows that the apps below it ask for."""

from collections.abc import Collection, Sequence
from typing import Any

from django.db.models import Max
from django.dispatch import receiver

from activity.models import Call, Finding
from profiles.events import Event
from tokens.models import DelegatedToken
from tokens.signals import addresses_wanted, callers_wanted, clients_wanted, unexpected_wanted, uses_wanted
from tokens.uses import Asked, Callers, Use

COUNTED = 10_000  # calls of one token, at most
LOOKED_THROUGH = 10_000  # of the latest calls, for an address or a client
CLIENTS_SHOWN, TOKENS_SHOWN = 15, 500


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


@receiver(unexpected_wanted)
def findings_told(event: Event, token: DelegatedToken, **kwargs: Any) -> str:
    """Return the findings that this event told of, in the language of the mail."""
    told = Finding.objects.filter(token_public_id=token.public_id, told_at=event.at).order_by("found_at", "pk")
    return " ".join(sign["said"] for finding in told for sign in finding.signs[:1])


@receiver(uses_wanted)
def uses_of_tokens(asked: Sequence[Asked], **kwargs: Any) -> dict[str, Use]:
    return {each.public_id: _use(each) for each in asked}


@receiver(addresses_wanted)
def addresses_seen(public_ids: Collection[str], **kwargs: Any) -> list[str]:
    """Return from where the last accepted calls of these tokens came."""
    newest = Call.objects.filter(token_public_id__in=public_ids).order_by("-at", "-id")[:COUNTED]
    rows = newest.values_list("address", "outcome")
    return sorted({address for address, outcome in rows if outcome != Call.Outcome.REFUSED and address})


def _use(asked: Asked) -> Use:
    """Return what the index of the token's calls tells, without reading them all."""
    calls = Call.objects.filter(token_public_id=asked.public_id).order_by("-at", "-id")
    accepted = calls.exclude(outcome=Call.Outcome.REFUSED).values_list("at", flat=True)
    refused = calls.filter(outcome=Call.Outcome.REFUSED, at__gte=asked.ended_at) if asked.ended_at else calls.none()
    return Use(
        calls=len(accepted.filter(at__gte=asked.since)[:COUNTED]),
        last_accepted_at=accepted.first(),
        first_refused_at=refused.reverse().values_list("at", flat=True).first(),
    )


@receiver(callers_wanted)
def callers_lately(address: str, client: str, **kwargs: Any) -> Callers:
    """Look through the latest calls, by the index that holds them in order."""
    calls = Call.objects.order_by("-id")
    oldest = calls.values_list("id", flat=True)[LOOKED_THROUGH - 1 : LOOKED_THROUGH].first()
    latest = (calls.filter(id__gte=oldest) if oldest else calls).order_by()
    if not (address or client):
        named = latest.exclude(client_name="").values_list("client_name", flat=True).distinct()
        return Callers(clients=list(named[:CLIENTS_SHOWN]))
    wanted = latest.filter(address=address) if address else latest.filter(client_name=client)
    return Callers(public_ids=list(wanted.values_list("token_public_id", flat=True).distinct()[:TOKENS_SHOWN]))
