"""What the holder of a real secret is told when it is refused: which token, since when, and the way out."""

from datetime import UTC, datetime

from django.conf import settings

from nexus.hub import replies
from nexus.hub.replies import Reply
from profiles.resolver import ToolkitView
from tokens.keys import Kind
from tokens.lookup import Refusal, TokenAuthority


def refused(authority: TokenAuthority, refusal: Refusal, resource: bytes) -> Reply:
    """Return 401 for what is final, 403 for what can change (RFC 6750 section 3.1)."""
    token = f"The token “{authority.name}” ({authority.masked})"
    if not refusal.is_final:
        message = f"{token} {PAUSES[refusal].format(toolkit=authority.toolkit_alias, account=authority.account_name)}"
        return _with_reason(replies.insufficient_scope(resource, message, {"reason": refusal.value}), refusal)
    since, what = _end(authority, refusal)
    if authority.kind is Kind.ACCESS:
        link = f"{settings.NEXUS_BASE_URL}/tokens/applications/"
        message = f"The sign-in of “{authority.name}” {what}. Refresh it, or sign in again; see {link}"
    else:
        link = replies.install_url(authority.toolkit_alias, authority.name)
        message = f"{token} {what}. Make a new one at {link}"
    data = {"reason": refusal.value, "since": since.isoformat() if since else None, "replace": link}
    at = f" {since:%Y-%m-%dT%H:%M:%SZ}" if since else ""
    reply = replies.ended_token(resource, message, f"The token {ENDS[refusal]}{at}", data)
    return _with_reason(reply, refusal)


RECORDING = "not-recorded"  # the section of the guide


def nothing_is_known() -> Reply:
    return replies.unavailable("Nexus cannot reach its database, so nothing is allowed now. Try again shortly.")


def not_recorded(*, may_have_run: bool) -> Reply:
    if may_have_run:
        return replies.unavailable(
            "Activity cannot be written, so the answer is withheld; the tool may have run.", RECORDING
        )
    return replies.unavailable("Activity cannot be written, so nothing was called. Try again shortly.", RECORDING)


PAUSES = {
    Refusal.PAUSED: "is paused. Its owner or an admin can resume it.",
    Refusal.TOOLKIT_PAUSED: "is for the toolkit “{toolkit}”, which is paused. An admin of the account can resume it.",
    Refusal.TOOLKIT_ARCHIVED: "is for the toolkit “{toolkit}”, which is archived. An account admin can restore it.",
    Refusal.ACCOUNT_PAUSED: "belongs to the account “{account}”, which is paused.",
    Refusal.NOT_ASSIGNED: "is for the toolkit “{toolkit}”, which is not assigned to its owner. An admin can assign it.",
}
ENDS = {
    Refusal.EXPIRED: "expired",
    Refusal.REVOKED: "was revoked",
    Refusal.OWNER_GONE: "ended, its owner has no access any more",
    Refusal.TOOLKIT_DELETED: "ended with its toolkit",
}


def _end(authority: TokenAuthority, refusal: Refusal) -> tuple[datetime | None, str]:
    if refusal is Refusal.REVOKED and authority.revoked_at:
        reason = f" ({authority.revoke_reason.lower()})" if authority.revoke_reason else ""
        return authority.revoked_at.astimezone(UTC), f"was revoked on {_said(authority.revoked_at)}{reason}"
    if refusal is Refusal.EXPIRED:
        ended = datetime.fromtimestamp(authority.ends_at, UTC)
        return ended, f"expired on {_said(ended)}"
    if refusal is Refusal.TOOLKIT_DELETED and authority.toolkit_deleted_at:
        deleted = authority.toolkit_deleted_at.astimezone(UTC)
        return deleted, f"ended when its toolkit was deleted on {_said(deleted)}"
    return None, "ended: its owner has no access to the account any more"


def _said(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%d %b %Y, %H:%M} UTC"


def wrong_names(
    authority: TokenAuthority, view: ToolkitView, accounts: list[str], profiles: list[str], resource: bytes
) -> Reply | None:
    """Return 403 if the request names another account or toolkit than the token's; absent and foreign read the same."""
    if not (accounts or profiles):
        return None
    asked = [f"the account “{name[:60]}”" for name in accounts if name.lower() != str(authority.account_id)]
    asked += [f"the toolkit “{name[:60]}”" for name in profiles if not view.goes_by(name)]
    if not asked:
        return None
    message = (
        f"The token “{authority.name}” is for the toolkit “{view.alias}” of the account {authority.account_id}; "
        f"the request names {' and '.join(asked)}. Use the address of that toolkit, or a token for the one named."
    )
    reply = replies.insufficient_scope(resource, message, {"reason": "other_toolkit", "toolkit": view.alias})
    reply.reason = f"names {' and '.join(asked)}"
    return reply


def wrong_address(authority: TokenAuthority, address: str, resource: bytes) -> Reply | None:
    """Return 403 if the token may not be used from the address; "" stands for one that is not known."""
    if authority.may_come_from(address):
        return None
    token = f"The token “{authority.name}” ({authority.masked})"
    if address:
        message = (
            f"{token} is kept to certain addresses, and {address[:60]} is not one of them. "
            "Use it from where it was made for, or install the toolkit again for a token that may come from here."
        )
    else:
        message = (
            f"{token} is kept to certain addresses, and where this request comes from is not known: no proxy that "
            "Nexus trusts says so. The operator sets NEXUS_TRUSTED_PROXIES to the number of proxies."
        )
    reply = replies.insufficient_scope(resource, message, {"reason": "address", "address": address or None})
    reply.reason = f"from {address[:60] or 'an unknown address'}"
    return reply


def cap_reached(authority: TokenAuthority, resource: bytes) -> Reply:
    link = replies.install_url(authority.toolkit_alias, authority.name)
    message = (
        f"Cap reached: the token “{authority.name}” ({authority.masked}) was made for {authority.call_cap:,} calls of "
        f"tools, and they are used up. Make a new one at {link}"
    )
    data = {"reason": "cap_reached", "allowed": authority.call_cap, "replace": link}
    reply = replies.insufficient_scope(resource, message, data)
    reply.reason = "cap reached"
    return reply


def _with_reason(reply: Reply, refusal: Refusal) -> Reply:
    reply.reason = refusal.value.replace("_", " ")
    return reply
