"""Which web pages may read what OAuth's endpoints answer (CORS). Never with cookies: nothing here goes by a session."""

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from tokens.oauth.endpoint import error

Handler = Callable[[HttpRequest], HttpResponse]
ENDPOINTS = frozenset({"/oauth/token", "/oauth/register", "/oauth/revoke", "/token", "/register"})
BELOW = ("/.well-known/", "/hub/", "/mcp/")
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept, MCP-Protocol-Version",
    "Access-Control-Max-Age": "600",
}
EXPOSED = "Mcp-Session-Id, WWW-Authenticate, Retry-After, X-Request-Id"


def trusted_origins() -> set[str]:
    """Return the portal's own origin, on a developer's machine by each of its names, and those the operator named."""
    base, named = urlsplit(settings.NEXUS_BASE_URL), set(settings.NEXUS_ALLOWED_ORIGINS)
    if settings.NEXUS_PRODUCTION:
        return {settings.NEXUS_BASE_URL} | named
    port = f":{base.port}" if base.port else ""
    return {settings.NEXUS_BASE_URL} | named | {f"http://{host}{port}" for host in ("localhost", "127.0.0.1", "[::1]")}


def cross_origin(get_response: Handler) -> Handler:
    """Let pages of trusted origins read the answers, errors too; answer preflights before anything else does."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not (request.path in ENDPOINTS or request.path.startswith(BELOW)):
            return get_response(request)
        origin = request.headers.get("Origin", "")
        is_trusted = origin in trusted_origins()
        response = _preflight(origin, is_trusted) if request.method == "OPTIONS" else get_response(request)
        if is_trusted:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = EXPOSED
        patch_vary_headers(response, ["Origin"])
        return response

    return middleware


def _preflight(origin: str, is_trusted: bool) -> HttpResponse:
    if origin and not is_trusted:
        text = "Web pages of this origin may not call Nexus. The operator can allow it with NEXUS_ALLOWED_ORIGINS."
        return error(HTTPStatus.FORBIDDEN, "access_denied", text)
    return HttpResponse(status=HTTPStatus.NO_CONTENT, headers=PREFLIGHT)
