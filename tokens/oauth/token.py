"""The token endpoint (RFC 6749 section 3.2)."""

from django.http import HttpRequest, HttpResponse
from oauth2_provider.oauth2_backends import get_oauthlib_core

from tokens.oauth.endpoint import form_endpoint


@form_endpoint
def token(request: HttpRequest) -> HttpResponse:
    _, headers, body, status = get_oauthlib_core().create_token_response(request)
    response = HttpResponse(body, status=status)
    for name, value in headers.items():
        response[name] = value
    return response
