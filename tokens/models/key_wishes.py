"""What somebody asks of a management key, checked against what there is and what they may do themselves."""

from collections.abc import Iterable, Sequence

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from profiles.permissions import Role
from tokens import networks
from tokens.models.narrowing import MAX_NETWORKS
from tokens.scopes import SCOPES, effective


def checked_scopes(scopes: Iterable[str], role: Role | None) -> list[str]:
    """Return the scopes in the order of the table; raise ValidationError for none, or one without effect."""
    wanted = set(scopes)
    if unknown := sorted(wanted.difference(SCOPES)):
        raise ValidationError({"scopes": gettext("There is no scope “%(scope)s”.") % {"scope": unknown[0][:60]}})
    if not wanted:
        raise ValidationError({"scopes": gettext("Choose at least one thing that the key may do.")})
    if beyond := sorted(wanted - effective(wanted, role)):
        text = gettext("You may not do that yourself in this account: %(scopes)s.")
        raise ValidationError({"scopes": text % {"scopes": ", ".join(beyond)}})
    return [scope for scope in SCOPES if scope in wanted]


def checked_networks(ranges: Sequence[str]) -> list[str]:
    try:
        found = list(dict.fromkeys(str(networks.parse(text)) for text in ranges))
    except ValueError as error:
        raise ValidationError({"networks": str(error)}) from error
    if len(found) > MAX_NETWORKS:
        text = gettext("At most %(most)d ranges; these are %(number)d.")
        raise ValidationError({"networks": text % {"most": MAX_NETWORKS, "number": len(found)}})
    return found
