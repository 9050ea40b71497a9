"""What happens in profiles itself when somebody signs in, or loses their access."""

from datetime import datetime
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.signals import password_changed, password_set, user_logged_in
from allauth.usersessions.models import UserSession
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import get_language_from_request
from django.utils.translation import gettext_lazy as _

from profiles import notices, sessions
from profiles.events import Action, Actor, Event
from profiles.models import Account, Authorization, Invitation, Member, Server, Toolkit, User
from profiles.permissions import Role, roles_given_by
from profiles.signals import access_ended, account_deleted, role_changed


@receiver(user_logged_in)
def note_signing_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    records = get_authentication_records(request, user)
    method = (records[-1].get("type") or records[-1]["method"]) if records else ""
    by, now = Actor.from_request(request), timezone.now()
    sessions.begin(request, now=now)
    user.note_browser_language(get_language_from_request(request))
    Event.record(Action.SIGNED_IN, by=by, now=now, subject=user, after={"method": method})


@receiver(user_logged_out)
def note_signing_out(request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    if user is None:
        return
    UserSession.objects.filter(session_key=request.session.session_key or "").delete()
    Event.record(Action.SIGNED_OUT, by=Actor.from_request(request), now=timezone.now(), subject=user)


@receiver(password_changed)
@receiver(password_set)
def end_other_sessions(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Note the new password in the transaction of the view; Django ends the sessions that began with the old one."""
    by, now = Actor.from_request(request), timezone.now()
    sessions.begin(request, now=now)
    sessions.end_others(user, request.session.session_key, by=by, now=now)
    Event.record(Action.PASSWORD_CHANGED, by=by, now=now, subject=user, after={"method": "settings"})
    notices.notice_later(user, _("The password of your account was changed"), by=by, now=now)


@receiver(access_ended)
def end_own_authorizations(user: User, account: Account | None, by: Actor, now: datetime, **kwargs: Any) -> None:
    """End what only the person used. What an admin gave to the whole organization stays, for the admins to end."""
    own = Authorization.objects.filter(owner=user, visibility=Authorization.Visibility.USER)
    (own.filter(account=account) if account else own).end(by=by, now=now, reason="its owner lost their access")


@receiver(access_ended)
def cancel_their_invitations(user: User, account: Account | None, by: Actor, now: datetime, **kwargs: Any) -> None:
    """Let nobody in on the word of somebody who is out."""
    sent = Invitation.objects.filter(invited_by=user)
    (sent.filter(account=account) if account else sent).cancel(by=by, now=now)


@receiver(role_changed)
def cancel_what_they_may_no_longer_give(member: Member, by: Actor, now: datetime, **kwargs: Any) -> None:
    sent = Invitation.objects.filter(invited_by=member.user, account=member.account)
    sent.exclude(role__in=roles_given_by(Role(member.role))).cancel(by=by, now=now)


@receiver(account_deleted)
def end_what_the_organization_has(account: Account, by: Actor, now: datetime, **kwargs: Any) -> None:
    Invitation.objects.filter(account=account).cancel(by=by, now=now)
    Authorization.objects.filter(account=account).end(by=by, now=now, reason="organization deleted")
    toolkits = Toolkit.objects.living().filter(account=account).select_related("account")
    toolkits.update(is_default=False)  # it goes with its account
    for toolkit in toolkits:
        toolkit.delete_for_good(by=by, now=now)
    for server in Server.objects.filter(account=account, removed_at=None):
        server.remove(by=by, now=now)
