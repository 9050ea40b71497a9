"""What oauthlib asks of the database while it makes an authorization code."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from oauthlib.common import Request

from tokens.models import Application, Grant
from tokens.models.connections import CODE_LIFE
from tokens.oauth import redirects


class AuthorizationMixin:
    """The part of the validator that belongs to the authorization endpoint."""

    def validate_redirect_uri(
        self, client_id: str, redirect_uri: str, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        client: Application = request.client
        return redirects.is_registered(redirect_uri, client.redirect_uris.split())

    def _create_authorization_code(
        self, request: Request, code: dict[str, str], expires: datetime | None = None
    ) -> Grant:
        """Store the code, bound to the consent, the client, its redirect URI and its PKCE challenge."""
        return Grant.objects.create(
            application=request.client,
            user=request.user,
            connection=request.connection,
            session_ends_at=request.session_ends_at,
            code=code["code"],
            expires=expires or timezone.now() + CODE_LIFE,
            redirect_uri=request.redirect_uri,
            scope=" ".join(request.scopes),
            code_challenge=request.code_challenge,
            code_challenge_method=request.code_challenge_method,
            resource=request.resource,
        )
