"""Every mail about tokens: one function each. They decide nothing, and none carries a secret."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.events import Event
from profiles.models import User
from profiles.written_for import written_for
from tokens import links
from tokens.models import Connection, Counted, DelegatedToken, Digest, ManagementKey, Reminder, unused
from tokens.models.stages import Running
from tokens.signals import clients_wanted, unexpected_wanted

TOKENS_SHOWN = 20  # in one mail
GROUPS = {"ending": _("Ends soon"), "unused": _("Unused, and will be paused"), "ended": _("Has expired")}
ACTS = {"ending": _("Replace it"), "unused": _("Look at it"), "ended": _("Make a new one")}
SUBJECTS = {  # of a mail about one; True is a management key
    (False, "ending"): _("The token “%(name)s” ends %(moment)s"),
    (False, "unused"): _("The token “%(name)s” is unused and will be paused %(moment)s"),
    (False, "ended"): _("The token “%(name)s” has expired"),
    (True, "ending"): _("The management key “%(name)s” ends %(moment)s"),
    (True, "ended"): _("The management key “%(name)s” has expired"),
}


@written_for(lambda digest, found, now: digest.owner)
def reminders(digest: Digest, found: Sequence[Reminder], now: datetime) -> EmailMultiAlternatives:
    """Return the one mail about all of these, which may be handed over again under the same Message-ID."""
    owner = digest.owner
    clients = _clients([each.token.public_id for each in found[:TOKENS_SHOWN] if each.token])
    lines = [_Line.of(each, owner, clients.get(each.subject.public_id, "")) for each in found[:TOKENS_SHOWN]]
    groups = [(title, [line for line in lines if line.group == group]) for group, title in GROUPS.items()]
    context = {
        "owner": owner,
        "subject": _subject(lines, len(found)),
        "groups": [(title, members) for title, members in groups if members],
        "more": len(found) - len(lines),
        "tokens_link": links.to_tokens(),
        "choices_link": links.to_notifications(),
    }
    message = _message("expiring", owner, context)
    message.extra_headers["Message-ID"] = digest.message_id
    return message


@dataclass(frozen=True, slots=True)
class _Line:
    """One token or management key in the mail."""

    token: Running
    group: str
    moment: datetime
    zone: ZoneInfo
    client: str
    link: str
    act: str

    @classmethod
    def of(cls, reminder: Reminder, owner: User, client: str) -> "_Line":
        token, stage = reminder.subject, reminder.stage
        group = {"expired": "ended", "unused": "unused"}.get(stage, "ending")
        moment = reminder.claimed_at + unused.NOTICE if group == "unused" else token.expires_at
        link, act = _way_out(token, group)
        return cls(token, group, moment, owner.zone, client, link, act)

    @property
    def is_key(self) -> bool:
        return isinstance(self.token, ManagementKey)

    @property
    def local(self) -> datetime:
        return self.moment.astimezone(self.zone)


def _way_out(token: Running, group: str) -> tuple[str, str]:
    """Return where it is done what is to be done about it, and what that is called."""
    if isinstance(token, ManagementKey):
        ways = {"ended": links.to_make_key(), "ending": links.to_replace_key(token)}
    else:
        ways = {"ended": links.to_install(token), "unused": links.to_token(token), "ending": links.to_replace(token)}
    return ways[group], str(ACTS[group])


def _subject(lines: Sequence[_Line], count: int) -> str:
    first = lines[0]
    if count == 1:
        moment = date_format(first.local, "SHORT_WEEKDAY_TIME_FORMAT")
        return SUBJECTS[first.is_key, first.group] % {"name": first.token.name, "moment": moment}
    names = {"number": count, "first": first.token.name, "second": lines[1].token.name, "more": count - 2}
    if any(line.is_key for line in lines):
        two = gettext("%(number)s tokens and keys need you: “%(first)s”, “%(second)s”")
        many = gettext("%(number)s tokens and keys need you: “%(first)s”, “%(second)s” and %(more)s more")
    else:
        two = gettext("%(number)s tokens need you: “%(first)s”, “%(second)s”")
        many = gettext("%(number)s tokens need you: “%(first)s”, “%(second)s” and %(more)s more")
    return (two if count == 2 else many) % names


def _clients(public_ids: list[str]) -> dict[str, str]:
    answers: list[tuple[Any, Any]] = clients_wanted.send(None, public_ids=public_ids)
    return {public_id: client for _, answer in answers for public_id, client in answer.items()}


def revoked(token: DelegatedToken, by: str) -> None:
    """Tell the owner who ended the token, and why; raise OSError if the mail server does not take it."""
    of_revoked([token], by).send()


@written_for(lambda tokens, by: tokens[0].owner)
def of_revoked(tokens: Sequence[DelegatedToken], by: str) -> EmailMultiAlternatives:
    """Return the mail about tokens of one owner that somebody else ended."""
    token = tokens[0]
    if len(tokens) > 1:
        return _of_revoked_together(token.owner, tokens[:TOKENS_SHOWN], Counted(len(tokens), 0), by)
    assert token.revoked_at
    revoked_local = token.revoked_at.astimezone(token.owner.zone)
    context = {
        "by": by, "revoked_local": revoked_local, "link": links.to_tokens(), "token": token, "owner": token.owner,
        "toolkit": token.toolkit, "install_link": links.to_install(token),
    }  # fmt: skip
    return _message("revoked", token.owner, context)


def revoked_together(owner: User, tokens: Sequence[DelegatedToken], counted: Counted, by: str) -> None:
    """Tell an owner, once, of all that was revoked at once; some of the tokens are named."""
    _of_revoked_together(owner, tokens, counted, by).send()


@written_for(lambda owner, tokens, counted, by: owner)
def _of_revoked_together(
    owner: User, tokens: Sequence[DelegatedToken], counted: Counted, by: str
) -> EmailMultiAlternatives:
    first = tokens[0] if tokens else None
    reason = ": ".join(filter(None, [first.get_revoke_reason_display(), first.revoke_note])) if first else ""
    context = {
        "by": by, "what": str(counted), "tokens": tokens, "more": counted.tokens - len(tokens), "reason": reason,
        "link": links.to_tokens(),
    }  # fmt: skip
    return _message("revoked_together", owner, context)


def paused(tokens: Sequence[DelegatedToken]) -> None:
    """Tell their owner, in one mail, that these tokens are paused because nothing used them."""
    if tokens:
        more = len(tokens) - len(tokens[:TOKENS_SHOWN])
        lines = [{"token": token, "link": links.to_token(token)} for token in tokens[:TOKENS_SHOWN]]
        context = {"owner": tokens[0].owner, "lines": lines, "more": more, "tokens_link": links.to_tokens()}
        _message("paused", tokens[0].owner, context | {"choices_link": links.to_notifications()}).send()


def session_leaked(connection: Connection) -> None:
    """Tell the owner that a token of an application was reported as leaked, and its session has ended."""
    context = {"connection": connection, "owner": connection.owner, "link": links.to_connection(connection)}
    _message("session_leaked", connection.owner, context).send()


def reused(token: DelegatedToken, event: Event) -> None:
    """Tell the owner that a replaced token was used after its end; raise OSError if the mail server refuses."""
    context = {
        "token": token, "owner": token.owner, "toolkit": token.toolkit, "event": event, "link": links.to_token(token),
        "used_local": event.at.astimezone(token.owner.zone), "end_link": links.to_revoke(token),
    }  # fmt: skip
    _message("reused", token.owner, context).send()


def unexpected(token: DelegatedToken, event: Event) -> None:
    """Tell the owner that the token was used as never before; raise OSError if the mail server refuses."""
    context = {
        "token": token, "owner": token.owner, "toolkit": token.toolkit, "event": event,
        "reason": _told(token, event), "found_local": event.at.astimezone(token.owner.zone),
        "link": links.to_use(token),
        "replace_link": links.to_replace(token), "revoke_link": links.to_revoke(token),
    }  # fmt: skip
    _message("unexpected", token.owner, context).send()


def _told(token: DelegatedToken, event: Event) -> str:
    """Return what happened in the owner's language, or, where nobody has it so, as the event has it."""
    with token.owner.in_own_language():
        answers = unexpected_wanted.send(None, event=event, token=token)
    return next((said for receiver, said in answers if said), event.reason)


def _message(name: str, owner: User, context: dict[str, Any]) -> EmailMultiAlternatives:
    with timezone.override(owner.zone), owner.in_own_language():
        subject, text, html = (
            render_to_string(f"emails/{name}.{kind}", context) for kind in ("subject.txt", "txt", "html")
        )
    message = EmailMultiAlternatives(subject=" ".join(subject.split()), body=text, to=[owner.email])
    message.attach_alternative(html, "text/html")
    return message
