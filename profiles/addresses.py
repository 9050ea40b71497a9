"""Changing the address that a person signs in with: a code to the new one, a warning to the old one."""

from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from profiles import confirmation, notices
from profiles.access import signed_in
from profiles.events import Action, Actor, Event
from profiles.models import Account, Attempts, User
from profiles.signals import authority_changed

KEY = "new_address"
MAILS = 5  # codes that a person can have mailed to new addresses in 10 minutes


def vouch(user: User) -> None:
    """Take the person's address as theirs, without a mail."""
    verified = {"verified": True, "primary": True}
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults=verified)


def may_mail(user: User, *, now: datetime) -> bool:
    return Attempts.objects.take(f"address-mail:{user.pk}", MAILS, now=now)


def may_try(user: User, *, now: datetime) -> bool:
    return Attempts.objects.take(f"address-try:{user.pk}", confirmation.ATTEMPTS, now=now)


def propose(request: HttpRequest, address: str, *, now: datetime) -> None:
    """Mail a code to the address; who has an account under it is told instead, and the page says the same."""
    code = confirmation.random_code()
    until = (now + confirmation.CODE_LIFE).timestamp()
    request.session[KEY] = {"address": address, "digest": _digest(request, address, code), "until": until}
    if owner := User.objects.filter(email__iexact=address).first():
        notices.address_taken(owner, address)
    else:
        notices.new_address_code(address, code)


def proposed(request: HttpRequest, *, now: datetime) -> str | None:
    """Return the address whose code is awaited in this session."""
    kept = request.session.get(KEY)
    return str(kept["address"]) if kept and now.timestamp() < kept["until"] else None


def confirm(request: HttpRequest, code: str, *, now: datetime) -> bool:
    """Take the address if this is the code that was mailed to it; a code is good once."""
    address = proposed(request, now=now)
    if address is None:
        return False
    if not constant_time_compare(request.session[KEY]["digest"], _digest(request, address, code)):
        return False
    del request.session[KEY]
    return change(signed_in(request), address, by=Actor.from_request(request), now=now)


def change(user: User, address: str, *, by: Actor, now: datetime) -> bool:
    """Make this the person's one address, and warn the old one; return False if somebody took it meanwhile."""
    before = user.email
    try:
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(email=address)
            Account.objects.filter(personal_of=user, name=before).update(name=address)  # named so for want of a name
            EmailAddress.objects.filter(user=user).delete()
            EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
            user.email = address
            authority_changed.send(User, scope="owner", subject=str(user.pk))  # hubs note calls under the address
            Event.record(
                Action.EMAIL_CHANGED, by=by, now=now, subject=user, before={"email": before}, after={"email": address}
            )
            what = format_lazy(_("The address of your account was changed to {address}"), address=address)
            notices.notice_later(user, what, by=by, now=now, to=before)
    except IntegrityError:
        user.email = before
        return False
    return True


def _digest(request: HttpRequest, address: str, code: str) -> str:
    text = f"{signed_in(request).pk}:{address}:{confirmation.plain_code(code)}"
    return salted_hmac("profiles.addresses", text, algorithm="sha256").hexdigest()
