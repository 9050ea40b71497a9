"""An MCP server behind OAuth, with its authorization server, made of the official SDK and served from a thread."""

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx2
import mcp.types as types
import uvicorn
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    ProviderTokenVerifier,
    RefreshToken,
    TokenError,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.lowlevel import Server
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from starlette.responses import JSONResponse

from tests.live import free_port
from tests.upstreams import said, wait_for


@dataclass
class Provider:
    """Lets `person` in without asking, and keeps all it gave."""

    person: str = "alice"
    life: int = 3600  # seconds
    resource: str = ""
    clients: dict[str, OAuthClientInformationFull] = field(default_factory=dict)
    codes: dict[str, AuthorizationCode] = field(default_factory=dict)
    access: dict[str, AccessToken] = field(default_factory=dict)
    renewals: dict[str, RefreshToken] = field(default_factory=dict)
    registered: int = 0
    refreshed: int = 0
    hold: threading.Event = field(default_factory=threading.Event)  # refreshing waits for it

    def __post_init__(self) -> None:
        self.hold.set()

    async def get_client(self, client_id):
        return self.clients.get(client_id)

    async def register_client(self, client_info):
        self.registered += 1
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client, params):
        code = secrets.token_urlsafe(24)
        self.codes[code] = AuthorizationCode(
            code=code, scopes=params.scopes or [], expires_at=time.time() + 60, client_id=client.client_id,
            code_challenge=params.code_challenge, redirect_uri=params.redirect_uri, resource=params.resource,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly, subject=self.person,
        )  # fmt: skip
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    async def load_authorization_code(self, client, authorization_code):
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client, authorization_code):
        del self.codes[authorization_code.code]
        return self.give(
            client.client_id, authorization_code.scopes, authorization_code.resource, authorization_code.subject
        )

    async def exchange_for(self, person):
        """Give tokens to somebody without a browser."""
        return self.give("test", ["notes"], self.resource, person)

    async def load_refresh_token(self, client, refresh_token):
        return self.renewals.get(refresh_token)

    async def exchange_refresh_token(self, client, refresh_token, scopes):
        self.refreshed += 1
        if self.renewals.pop(refresh_token.token, None) is None:
            raise TokenError("invalid_grant", "used already")
        self.hold.wait(10)
        return self.give(client.client_id, scopes, refresh_token.resource, refresh_token.subject)

    def give(self, client_id, scopes, resource, subject):
        token, renewal = f"up-{subject}-{secrets.token_hex(16)}", f"renew-{subject}-{secrets.token_hex(16)}"
        self.access[token] = AccessToken(
            token=token, client_id=client_id, scopes=scopes, expires_at=int(time.time()) + self.life,
            resource=resource, subject=subject,
        )  # fmt: skip
        self.renewals[renewal] = RefreshToken(
            token=renewal, client_id=client_id, scopes=scopes, resource=resource, subject=subject
        )
        return OAuthToken(
            access_token=token, token_type="Bearer", expires_in=self.life, refresh_token=renewal, scope=" ".join(scopes)
        )

    async def load_access_token(self, token):
        return self.access.get(token)

    async def revoke_token(self, token):
        self.access.pop(token.token, None)


@dataclass
class Protected:
    """The running server: its address, and what it knows."""

    url: str
    provider: Provider
    documents: dict[str, dict] = field(default_factory=dict)  # by path: metadata that is given instead

    def secrets(self) -> list[str]:
        """Return every secret that it ever gave and still knows."""
        clients = [client.client_secret for client in self.provider.clients.values() if client.client_secret]
        return [*self.provider.access, *self.provider.renewals, *clients]

    def visit(self, address: str) -> dict[str, str]:
        """Go to the authorization endpoint as a browser does; return the query with which it sends back."""
        answer = httpx2.get(address, follow_redirects=False, trust_env=False)
        assert answer.status_code == 302, answer.text
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        return {name: values[0] for name, values in query.items()}


def whoami_server() -> Server:
    """Return a server with the tool whoami, which says for whom the token was given."""

    async def list_tools(context, params):
        schema = {"type": "object"}
        return types.ListToolsResult(tools=[types.Tool(name="whoami", description="Who", input_schema=schema)])

    async def call_tool(context, params):
        token = get_access_token()
        return said(str(token.subject if token else None))

    return Server("protected", version="1", on_list_tools=list_tools, on_call_tool=call_tool)


@contextlib.contextmanager
def running_protected(scopes: tuple[str, ...] = ("notes",), *, registers: bool = True) -> Iterator[Protected]:
    port = free_port()
    origin, provider = f"http://127.0.0.1:{port}", Provider()
    protected = Protected(f"{origin}/mcp", provider)
    provider.resource = protected.url
    settings = AuthSettings(
        issuer_url=origin,
        resource_server_url=protected.url,
        required_scopes=list(scopes),
        validate_token_resource=True,
        client_registration_options=ClientRegistrationOptions(
            enabled=registers, valid_scopes=[*scopes, "more"], default_scopes=list(scopes)
        ),
    )
    application = whoami_server().streamable_http_app(
        auth=settings, token_verifier=ProviderTokenVerifier(provider), auth_server_provider=provider,
        json_response=True,
    )  # fmt: skip

    async def told(scope, receive, send):
        """Give the test's own documents where it has any."""
        document = protected.documents.get(scope.get("path", ""))
        await (JSONResponse(document) if document is not None else application)(scope, receive, send)

    config = uvicorn.Config(
        told, host="127.0.0.1", port=port, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="protected-upstream")
    thread.start()
    try:
        wait_for(lambda: server.started, "the protected upstream")
        yield protected
    finally:
        server.should_exit = True
        thread.join(10)
