"""How the authorization endpoint answers a client: through the browser, with `iss` (RFC 9207), by 303."""

import re
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from oauth2_provider.oauth2_backends import get_oauthlib_core

from profiles.models import User
from tokens.models import Connection
from tokens.oauth import consent
from tokens.oauth.authorization import Asker, Refusal, Wish
from tokens.oauth.endpoint import guide_to
from tokens.oauth.redirects import with_parameters
from tokens.oauth.resources import audience

UNFIT = re.compile(r"[^ !#-\[\]-~]")  # in an error_description (RFC 6749 section 4.1.2.1)


class SeeOther(HttpResponseRedirect):
    """A redirect to a client, by 303: what was typed here is not sent there (RFC 9700 section 4.12)."""

    status_code = 303

    def __init__(self, location: str) -> None:
        self.allowed_schemes = [urlsplit(location).scheme]  # the client's own: it was checked with the redirect URI
        super().__init__(location)


def with_code(
    request: HttpRequest, asker: Asker, wish: Wish, connection: Connection, *, ends_at: datetime
) -> HttpResponse:
    """Make an authorization code of the connection, and bring it to the client."""
    credentials = {
        "client_id": asker.application.client_id,
        "client": asker.application,
        "redirect_uri": asker.redirect_uri,
        "response_type": "code",
        "state": asker.state,
        "code_challenge": wish.challenge,
        "code_challenge_method": "S256",
        "resource": [audience()],
        "user": connection.owner,
        "connection": connection,
        "session_ends_at": ends_at,
    }
    headers, _, _ = get_oauthlib_core().server.create_authorization_response(
        request.path, scopes=wish.scopes, credentials=credentials
    )
    return _send(request, asker, with_parameters(headers["Location"], {"iss": settings.NEXUS_BASE_URL}))


def with_refusal(request: HttpRequest, asker: Asker, refusal: Refusal) -> HttpResponse:
    """Tell the client what is wrong; to a site that is not known yet, only the person goes, by a link."""
    location = _refused_at(asker, refusal)
    user = request.user if isinstance(request.user, User) else None
    if consent.is_trusted(asker, user):
        return _send(request, asker, location)
    context = {"asker": asker, "location": location, "refusal": refusal}
    return render(request, "tokens/consent_refused.html", context, status=400)


def with_cancellation(request: HttpRequest, asker: Asker) -> HttpResponse:
    """Tell the client that the person does not agree; they saw where this leads."""
    return _send(request, asker, _refused_at(asker, Refusal("access_denied", "The person did not agree.")))


def _refused_at(asker: Asker, refusal: Refusal) -> str:
    description = UNFIT.sub("", refusal.description.translate({ord("“"): "'", ord("”"): "'"}))
    answer = {"error": refusal.code, "error_description": description, "error_uri": guide_to(refusal.code)}
    if asker.state:
        answer["state"] = asker.state
    return with_parameters(asker.redirect_uri, answer | {"iss": settings.NEXUS_BASE_URL})


def _send(request: HttpRequest, asker: Asker, location: str) -> HttpResponse:
    """Redirect; but not where a form of ours led here, whose page allowed the browser to go to ourselves only."""
    if request.method == "GET" and request.headers.get("Sec-Fetch-Site") == "same-origin":
        return render(request, "tokens/consent_done.html", {"asker": asker, "location": location})
    return SeeOther(location)
