"""Lines for whoever builds an application: they run as they stand, with the secret in the environment."""

import json
import shlex
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import pgettext

from profiles.models import Toolkit
from tokens.models import Application
from tokens.oauth.exchange import TOKEN_EXCHANGE
from tokens.oauth.resources import audience

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  (the name of a kind)

CREDENTIALS = """\
curl -sS {url} {client} \\
  -d grant_type=client_credentials \\
  --data-urlencode {resource}
"""
EXCHANGE = """\
curl -sS {url} {client} \\
  -d grant_type={grant} \\
  -d subject_token_type={kind} \\
  --data-urlencode "subject_token=$SUBJECT_TOKEN" \\
  --data-urlencode {resource} \\
  -d expires_in=3600
"""
CIVIC = """\
# pip install civic-mcp-client
python3 - <<'PY'
import asyncio
import os

from civic_mcp_client import CivicMCPClient


async def main():
    client = CivicMCPClient(
        url={hub},
        auth={{
            "token_exchange": {{
                "client_id": {client_id},
                "client_secret": os.environ["NEXUS_CLIENT_SECRET"],
                "subject_token": os.environ["SUBJECT_TOKEN"],
                "auth_url": {url},
                "expires_in": 3600,
            }}
        }},
    )
    print(await client.get_tools())
    await client.close()


asyncio.run(main())
PY
"""


@dataclass(frozen=True, slots=True)
class Snippet:
    key: str
    label: str
    text: str


def endpoint(path: str) -> str:
    return f"{settings.NEXUS_BASE_URL}{path}"


def endpoints(application: Application) -> list[tuple[str, str]]:
    """Return the addresses that an application of this kind needs, each with its name."""
    found = [
        (pgettext("endpoint", "Metadata"), endpoint("/.well-known/oauth-authorization-server")),
        (pgettext("endpoint", "Token"), endpoint("/oauth/token")),
        (pgettext("endpoint", "Revocation"), endpoint("/oauth/revoke")),
    ]  # fmt: skip
    return (
        found
        if application.runs_alone
        else [*found, (pgettext("endpoint", "Authorization"), endpoint("/oauth/authorize"))]
    )


def of(application: Application, toolkit: Toolkit | None) -> list[Snippet]:
    """Return what to send to the token endpoint: a machine's names this toolkit, an exchange has its subject's."""
    hub, url = toolkit.mcp_url if toolkit and application.runs_alone else audience(), endpoint("/oauth/token")
    with_secret, without = f'-u "{application.client_id}:$NEXUS_CLIENT_SECRET"', f"-d client_id={application.client_id}"
    given = {
        "url": shlex.quote(url), "resource": shlex.quote(f"resource={hub}"), "grant": TOKEN_EXCHANGE,
        "kind": ACCESS_TOKEN, "client": with_secret if application.is_confidential else without,
    }  # fmt: skip
    snippets = []
    if application.runs_alone:
        snippets.append(Snippet("credentials", "Client credentials, curl", CREDENTIALS.format(**given)))
    if application.may_exchange:
        snippets.append(Snippet("exchange", "Token exchange, curl", EXCHANGE.format(**given)))
    if application.may_exchange and application.is_confidential:
        civic = CIVIC.format(hub=json.dumps(hub), url=json.dumps(url), client_id=json.dumps(application.client_id))
        snippets.append(Snippet("civic", "Token exchange, civic-mcp-client", civic))
    return snippets
