"""What the OAuth server asks of the database; one class, because oauthlib wants one. The rules lie beside it."""

from typing import Any

from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import Request

from tokens.models import Application
from tokens.oauth.authorizing import AuthorizationMixin
from tokens.oauth.exchange import TOKEN_EXCHANGE


class NexusValidator(AuthorizationMixin, OAuth2Validator):
    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Application, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        if grant_type == TOKEN_EXCHANGE:  # unknown to the toolkit, which asserts
            return client.may_exchange
        return bool(super().validate_grant_type(client_id, grant_type, client, request, *args, **kwargs))
