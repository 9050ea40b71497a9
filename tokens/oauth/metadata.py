"""What clients read first: whom the hub trusts (RFC 9728), and what the authorization server can do (RFC 8414)."""

import re
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.settings import oauth2_settings

from tokens.oauth.client_metadata import AUTH_METHODS, GRANT_TYPES
from tokens.oauth.endpoint import error
from tokens.oauth.exchange import TOKEN_EXCHANGE
from tokens.oauth.resources import SCOPE, InvalidTarget, audience, target_of

QUERY = re.compile(r"[!$-\[\]^_`a-z{|}~]*")  # visible ASCII but for " # \: what the hub's challenge can carry in quotes
MAX_QUERY = 2000  # characters
TOKEN_KEYS = frozenset({"access_token", "token", "api_key"})
MAX_AGE = 300  # seconds that the documents may be kept
View = Callable[..., HttpResponse]


def document(view: View) -> View:
    """Make the view one that whoever asks may read, and keep for some minutes."""

    @csrf_exempt  # it changes nothing: a POST is told which methods there are
    @login_not_required
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return error(HTTPStatus.METHOD_NOT_ALLOWED, "invalid_request", "Use GET.", Allow="GET, HEAD, OPTIONS")
        response = view(request, *args, **kwargs)
        response["Cache-Control"] = f"public, max-age={MAX_AGE}" if response.status_code == 200 else "no-store"
        return response

    return wrapped


@document
def protected_resource(request: HttpRequest, path: str = "/hub/mcp") -> HttpResponse:
    """Describe the hub under the address that the client uses, byte for byte: some compare it as text (RFC 9728)."""
    query = request.META.get("QUERY_STRING", "")
    if objection := _objection_to(query):
        return error(HTTPStatus.BAD_REQUEST, "invalid_request", objection)
    resource = f"{settings.NEXUS_BASE_URL}{path}" + (f"?{query}" if query else "")
    try:
        target_of(resource)
    except InvalidTarget as refusal:
        return error(HTTPStatus.BAD_REQUEST, "invalid_request", str(refusal))
    return JsonResponse(
        {
            "resource": resource,
            "authorization_servers": [settings.NEXUS_BASE_URL],
            "scopes_supported": [SCOPE],
            "bearer_methods_supported": ["header"],
            "resource_name": "Nexus",
            "resource_documentation": f"{settings.NEXUS_BASE_URL}/guide/",
        }
    )


def _objection_to(query: str) -> str:
    if len(query) > MAX_QUERY:
        return f"The query is longer than {MAX_QUERY} characters."
    if not QUERY.fullmatch(query):
        return "The query has characters that must be percent-encoded."
    try:
        named = {name for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=100)}
    except ValueError:
        return "The query has more than 100 parameters."
    if named & TOKEN_KEYS:
        return "Send a token in the header Authorization: Bearer …, never in the address."
    return ""


@document
def authorization_server(request: HttpRequest) -> HttpResponse:
    """Describe the authorization server (RFC 8414 section 2).

    OpenID's address has the same document, for clients that ask there first (RFC 8414 section 5). It has no jwks_uri,
    subject_types_supported or id_token_signing_alg_values_supported: Nexus gives no ID tokens.
    """
    base = settings.NEXUS_BASE_URL
    return JsonResponse(
        {
            "issuer": base,
            "authorization_endpoint": f"{base}/oauth/authorize",
            "token_endpoint": f"{base}/oauth/token",
            "registration_endpoint": f"{base}/oauth/register",
            "revocation_endpoint": f"{base}/oauth/revoke",
            "introspection_endpoint": f"{base}/oauth/introspect",
            "scopes_supported": [SCOPE],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": [*GRANT_TYPES, "client_credentials", TOKEN_EXCHANGE],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": AUTH_METHODS,
            "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
            "introspection_endpoint_auth_methods_supported": [name for name in AUTH_METHODS if name != "none"],
            "authorization_response_iss_parameter_supported": True,  # RFC 9207
            "client_id_metadata_document_supported": oauth2_settings.CIMD_ENABLED,
            "protected_resources": [audience()],  # RFC 9728 section 4
            "service_documentation": f"{base}/guide/",
        }
    )
