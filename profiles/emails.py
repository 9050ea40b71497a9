from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string

from profiles.models import User


def confirmation_code(user: User, code: str) -> None:
    """Mail the code with which a person confirms who they are."""
    text = render_to_string("profiles/mail/confirmation_code.txt", {"code": code, "site": settings.NEXUS_BASE_URL})
    send_mail(f"{code} is your Nexus code", text, None, [user.email])
