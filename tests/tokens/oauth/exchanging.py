"""What the tests of token exchange share: applications that may exchange, and the request."""

import base64
from urllib.parse import urlencode

from django.test import Client

from profiles.models import Account
from tests import cast
from tokens.models import Application
from tokens.oauth.exchange import ACCESS_TOKEN, TOKEN_EXCHANGE

SECRET = "a-secret-of-a-machine"


def make_exchanger(account: Account, name: str = "CRM sync", **fields) -> Application:
    """A confidential application of the account that may exchange tokens."""
    kind = fields.pop("client_type", Application.CLIENT_CONFIDENTIAL)
    fields = {"may_exchange": True, "client_secret": SECRET} | fields
    return cast.make_application(account, name, client_type=kind, **fields)


def basic(application: Application, secret: str = SECRET) -> dict[str, str]:
    pair = base64.b64encode(f"{application.client_id}:{secret}".encode()).decode()
    return {"HTTP_AUTHORIZATION": f"Basic {pair}"}


def ask(application: Application, subject: str | None, *, secret: str = SECRET, sender=None, **form):
    """Send the request of RFC 8693 section 2.1; a parameter that is None is left out, a list is sent again and again."""
    fields = {"grant_type": TOKEN_EXCHANGE, "subject_token": subject, "subject_token_type": ACCESS_TOKEN} | form
    data = {name: value for name, value in fields.items() if value is not None}
    return (sender or Client()).post(
        "/oauth/token",
        urlencode(data, doseq=True),
        content_type="application/x-www-form-urlencoded",
        **basic(application, secret),
    )
