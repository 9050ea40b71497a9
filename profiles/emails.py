from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from profiles.models import Invitation, User
from profiles.permissions import ROLE_NAMES, Role
from profiles.written_for import written_for


@written_for(lambda user, code: user)
def confirmation_code(user: User, code: str) -> None:
    """Mail the code with which a person confirms who they are."""
    text = render_to_string("profiles/mail/confirmation_code.txt", {"code": code, "site": settings.NEXUS_BASE_URL})
    send_mail(_("%(code)s is your Nexus code") % {"code": code}, text, None, [user.email])


def invitation(sent: Invitation, secret: str) -> bool:
    """Mail the link to the invited address, the only place where it is; return False if no mail server took it."""
    context = {
        "invitation": sent, "role": ROLE_NAMES[Role(sent.role)], "site": settings.NEXUS_BASE_URL,
        "link": settings.NEXUS_BASE_URL + reverse("invitation_open", args=[secret]),
    }  # fmt: skip
    try:
        _message("invitation", sent.email, context).send()
    except OSError:
        return False
    return True


@written_for(lambda user, account, by, reason: user)
def removed(user: User, account: str, by: str, reason: str) -> None:
    """Tell a person that they are no longer a member; raise OSError if the mail server does not take it."""
    context = {"account": account, "by": by, "reason": reason, "link": settings.NEXUS_BASE_URL + "/"}
    _message("removed", user.email, context).send()


def _message(name: str, address: str, context: dict[str, Any]) -> EmailMultiAlternatives:
    subject, text, html = (
        render_to_string(f"emails/{name}.{kind}", context) for kind in ("subject.txt", "txt", "html")
    )
    message = EmailMultiAlternatives(subject=" ".join(subject.split()), body=text, to=[address])
    message.attach_alternative(html, "text/html")
    return message
