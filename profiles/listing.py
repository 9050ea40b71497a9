from datetime import datetime

from profiles.models import Server
from profiles.upstream import discovery
from profiles.upstream.errors import UpstreamError


def list_again(server: Server, *, now: datetime) -> str:
    """Ask the server for its tools and store the answer; return what went wrong as a sentence, or nothing."""
    try:
        tools = discovery.list_tools(server)
    except UpstreamError as error:
        server.remember_failure(str(error), now=now)
        return str(error)
    server.remember_tools(tools, now=now)
    return ""
