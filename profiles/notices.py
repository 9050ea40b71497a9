"""Mails about what became of somebody's own account."""

import logging
from datetime import datetime
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from profiles.after_commit import after_commit
from profiles.events import Actor
from profiles.models.people import MACHINE_DOMAIN, User
from profiles.written_for import written_for

logger = logging.getLogger("nexus.mail")


def new_address_code(address: str, code: str) -> None:
    """Mail the code with which a person shows that a new address is theirs."""
    text = render_to_string("profiles/mail/new_address_code.txt", {"code": code, "site": settings.NEXUS_BASE_URL})
    send_mail(_("%(code)s confirms your new address") % {"code": code}, text, None, [address])


@written_for(lambda owner, address: owner)
def address_taken(owner: User, address: str) -> None:
    """Tell who has an account under this address that somebody wanted it for theirs."""
    text = render_to_string("profiles/mail/address_taken.txt", {"site": settings.NEXUS_BASE_URL})
    send_mail(_("Somebody wanted to use your address for Nexus"), text, None, [address])


@written_for(lambda user, what, **rest: user)
def notice_later(user: User, what: str | Promise, *, by: Actor, now: datetime, to: str = "") -> None:
    """Mail the person, once the act is committed, what became of their account; a lost mail undoes nothing."""
    address = to or user.email
    if address.endswith(f"@{MACHINE_DOMAIN}"):
        return
    context = {
        "what": what, "now": now, "zone": user.zone, "by": by, "site": settings.NEXUS_BASE_URL,
        "way_out": settings.NEXUS_BASE_URL + reverse("settings_security"),
    }  # fmt: skip
    text = render_to_string("profiles/mail/notice.txt", context)
    after_commit(_send, str(what), text, address)


def _send(subject: str, text: str, address: str) -> None:
    try:
        send_mail(subject, text, None, [address])
    except (SMTPException, OSError):
        logger.exception("a notice was not mailed")
