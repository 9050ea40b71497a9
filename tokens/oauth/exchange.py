"""Token exchange (RFC 8693): a token for a token, never wider, never longer, at most twice in a row."""

from typing import Any

from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors
from oauthlib.oauth2.rfc6749.grant_types.base import GrantTypeBase

TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105


class TokenExchangeGrant(GrantTypeBase):
    def create_token_response(self, request: Request, token_handler: Any) -> tuple[dict[str, str], str, int]:
        error = errors.UnsupportedGrantTypeError(request=request)
        return self._get_default_headers(), error.json, error.status_code
