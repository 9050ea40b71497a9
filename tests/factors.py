"""What the cast signs in with besides a password, and what their phones show."""

import html
import json
import re
from datetime import datetime

from allauth.mfa.totp.internal.auth import format_hotp_value, generate_totp_secret, hotp_value
from django.utils import timezone

from profiles import factors
from profiles.models import User
from tests.cast import OPERATOR
from tests.passkeys import Passkey


def shown_by(secret: str, now: datetime | None = None, *, later: int = 0) -> str:
    """Return the code that an app shows; of so many steps later, where one was used already."""
    return format_hotp_value(hotp_value(secret, int((now or timezone.now()).timestamp()) // factors.STEP + later))


def with_app(user: User) -> tuple[str, list[str]]:
    """Turn an app on for the person; return its secret, and the recovery codes."""
    secret, now = generate_totp_secret(), timezone.now()
    codes = factors.turn_on_app(user, secret, shown_by(secret, now, later=-1), by=OPERATOR, now=now)
    assert codes is not None
    return secret, codes


def options_in(page: str) -> dict:
    """Return what a page wants of a passkey."""
    return json.loads(html.unescape(re.search(r'data-options="([^"]*)"', page)[1]))


def with_passkey(client, name: str = "Laptop") -> Passkey:
    """Add a passkey in a browser in which the person has just confirmed who they are."""
    passkey = Passkey()
    page = client.get("/settings/security/passkeys/new/").content.decode()
    answer = client.post(
        "/settings/security/passkeys/new/", {"name": name, "credential": passkey.make(options_in(page))}
    )
    assert answer.status_code in (200, 302), answer.content.decode()
    return passkey
