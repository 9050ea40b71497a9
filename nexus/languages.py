"""In which language a request is answered: the person's, else the browser's; what machines read is always English."""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

Handler = Callable[[HttpRequest], HttpResponse]
# What programs and agents read. /oauth/authorize is not among it: people sign in and agree there.
MACHINES = re.compile(r"/api/(?!v1/docs$)|/hub/|.*/\.well-known/|(/oauth)?/(token|register|revoke|introspect)$")


def by_browser(get_response: Handler) -> Handler:
    """Answer in the language of the cookie, else of Accept-Language (RFC 9110 section 12.5.4)."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if MACHINES.match(request.path):
            with translation.override(settings.LANGUAGE_CODE):
                return get_response(request)
        with translation.override(translation.get_language_from_request(request)):
            response = get_response(request)
            response.headers.setdefault("Content-Language", translation.get_language())
        patch_vary_headers(response, ("Accept-Language",))
        return response

    return middleware


def own(get_response: Handler) -> Handler:
    """Answer in the language that the signed-in person chose."""

    def middleware(request: HttpRequest) -> HttpResponse:
        language = own_language(request)
        if not language:
            return get_response(request)
        with translation.override(language):
            response = get_response(request)
            response.headers.setdefault("Content-Language", language)
        return response

    return middleware


def own_language(request: HttpRequest) -> str:
    if MACHINES.match(request.path) or not request.user.is_authenticated:
        return ""
    return request.user.language
