"""The OAuth 2.1 server: which grants there are."""

from typing import Any

from django.http import HttpRequest
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauthlib.oauth2 import Server

from tokens.oauth.exchange import TOKEN_EXCHANGE, TokenExchangeGrant
from tokens.oauth.granting import ClientCredentialsGrant, CodeGrant, RefreshGrant


class NexusServer(Server):
    """Authorization code, refresh, client credentials and token exchange; no implicit grant, password or device."""

    def __init__(self, request_validator: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(request_validator, *args, **kwargs)
        for response_type in ("token", "none"):
            self.response_types.pop(response_type)
        self.grant_types.clear()
        self.grant_types.update(
            {
                "authorization_code": CodeGrant(request_validator),
                "refresh_token": RefreshGrant(request_validator),
                "client_credentials": ClientCredentialsGrant(request_validator),
                TOKEN_EXCHANGE: TokenExchangeGrant(request_validator),
            }
        )


class NexusCore(OAuthLibCore):
    def extract_body(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Return every value of what may be sent twice; the toolkit's own forgets all but the last audience."""
        return [(name, value) for name, values in request.POST.lists() for value in values]
