"""The OAuth 2.1 server: which grants there are, and the form of the secrets they give."""

from typing import Any

from django.http import HttpRequest
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauthlib.common import Request
from oauthlib.oauth2 import Server

from tokens import keys
from tokens.oauth.exchange import TOKEN_EXCHANGE, TokenExchangeGrant

GONE = ("password", "urn:ietf:params:oauth:grant-type:device_code")


class NexusServer(Server):
    """Authorization code, refresh, client credentials and token exchange; no implicit grant, no password."""

    def __init__(self, request_validator: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(request_validator, *args, **kwargs)
        for grant_type in GONE:
            self.grant_types.pop(grant_type)
        for response_type in ("token", "none"):
            self.response_types.pop(response_type)
        self.grant_types[TOKEN_EXCHANGE] = TokenExchangeGrant(request_validator)


class NexusCore(OAuthLibCore):
    def extract_body(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Return every value of what may be sent twice; the toolkit's own forgets all but the last audience."""
        return [(name, value) for name, values in request.POST.lists() for value in values]


def access_token(request: Request) -> str:
    return keys.make(keys.Kind.ACCESS, request.connection.public_id).text


def refresh_token(request: Request) -> str:
    return keys.make(keys.Kind.REFRESH, request.connection.public_id).text
