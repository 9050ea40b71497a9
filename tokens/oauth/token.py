"""The token endpoint (RFC 6749 section 3.2)."""

import json
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from oauth2_provider.settings import oauth2_settings

from tokens.oauth import clients
from tokens.oauth.endpoint import error, form_endpoint, guide_to
from tokens.oauth.server import NexusServer
from tokens.oauth.validator import NexusValidator


@form_endpoint
def token(request: HttpRequest) -> HttpResponse:
    caller = clients.authenticate(request, timezone.now())
    if isinstance(caller, HttpResponse):
        return caller
    server = NexusServer(NexusValidator(caller), **oauth2_settings.server_kwargs)
    if refused := _unknown_grant(request.POST.get("grant_type", ""), server):
        return refused
    _, headers, body, status = oauth2_settings.OAUTH2_BACKEND_CLASS(server).create_token_response(request)
    if status == HTTPStatus.OK:
        caller.application.note_use(caller.now)
    else:
        body = _with_guide(body)
    response = HttpResponse(body, status=status)
    for name, value in headers.items():
        response[name] = value
    return response


def _with_guide(body: str) -> str:
    """Return the error with where the guide speaks of it (RFC 6749 section 5.2)."""
    said = json.loads(body)
    return json.dumps(said | {"error_uri": guide_to(said["error"])})


def _unknown_grant(grant_type: str, server: NexusServer) -> HttpResponse | None:
    """Return the refusal of a grant that nobody may use here; RFC 6749 section 5.2."""
    if grant_type in server.grant_types:
        return None
    known = f"This server knows these grants: {', '.join(server.grant_types)}."
    if not grant_type:
        return error(HTTPStatus.BAD_REQUEST, "invalid_request", f"The parameter grant_type is missing. {known}")
    return error(HTTPStatus.BAD_REQUEST, "unsupported_grant_type", known)
