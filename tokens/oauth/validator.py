"""What the OAuth server asks of the database; one class, because oauthlib wants one. The rules lie beside it."""

from typing import Any

from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import Request

from tokens.models import Application
from tokens.oauth.authorizing import AuthorizationMixin
from tokens.oauth.clients import Caller
from tokens.oauth.exchange import TOKEN_EXCHANGE


class NexusValidator(AuthorizationMixin, OAuth2Validator):
    """Made for one request. At the token endpoint the caller is known before a grant is looked at (clients.py)."""

    def __init__(self, caller: Caller | None = None) -> None:
        self.caller = caller

    def client_authentication_required(self, request: Request, *args: Any, **kwargs: Any) -> bool:
        return True

    def authenticate_client(self, request: Request, *args: Any, **kwargs: Any) -> bool:
        """Put the caller on the request: oauthlib takes "client" and "user" from the form otherwise."""
        if self.caller is None:
            return False
        request.client, request.user = self.caller.application, None
        request.client_id = self.caller.application.client_id
        return True

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Application, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        if grant_type == TOKEN_EXCHANGE:  # unknown to the toolkit, which asserts
            return client.may_exchange
        return bool(super().validate_grant_type(client_id, grant_type, client, request, *args, **kwargs))
