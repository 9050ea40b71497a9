"""Browsers of the cast, and every address of the portal with the names filled in."""

import re
import uuid

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY as RECORDS
from allauth.account.internal.flows.login import record_authentication
from django.http import HttpRequest
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver


def browser(user=None, *, confirmed_ago=0.0, **options) -> Client:
    """Return a browser in which the person signed in that many seconds ago."""
    client = Client(**options)
    if user:
        client.force_login(user)
        request = HttpRequest()
        request.session = client.session
        record_authentication(request, user, "password")
        request.session[RECORDS][-1]["at"] -= confirmed_ago
        request.session.save()
    return client


def install(client, toolkit, name="n8n", **fields):
    """Press Install, with the least that the form needs."""
    data = {"toolkit": str(toolkit.pk), "name": name, "life": "7", "request_key": str(uuid.uuid4())} | fields
    return client.post("/install/", data)


def register(client, **fields):
    """Press Register, with the least that the form needs."""
    data = {"name": "Desk", "kind": "people", "exchanges": "on", "request_key": str(uuid.uuid4())} | fields
    return client.post("/applications/new/", data)


def routes(resolver=None, prefix="") -> list[tuple[str, URLPattern]]:
    """Return every pattern of the real URL configuration with its whole path, the admin's as one."""
    found = []
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver) and entry.app_name != "admin":
            found += routes(entry, path)
        elif isinstance(entry, URLPattern) or entry.app_name == "admin":
            found.append((path, entry))
    return found


def filled_in(path: str, names: dict[str, object]) -> str:
    """Return an address: every <kind:name> of the pattern replaced."""

    def value(match: re.Match[str]) -> str:
        return str(names.get(match[2], names.get(match[1], "1")))

    path = re.sub(r"<(?:(\w+):)?(\w+)>", value, path)
    path = re.sub(r"\(\?P<(\w+)>[^)]*\)", lambda match: str(names.get(match[1], "x")), path)
    return "/" + path.replace("^", "").replace("$", "").replace("\\Z", "").replace("\\", "").replace(".*", "")
