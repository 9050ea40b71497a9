"""A REST API of three addresses, to see what a management key opens, whatever the real one has."""

from typing import Any

from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from profiles.access import current_account
from profiles.events import Actor


@api_view(["GET", "POST", "DELETE"])
def things(request: Request) -> Response:
    plain = request._request
    return Response(
        {
            "user": str(request.user), "account": current_account(plain).name, "actor": Actor.from_request(plain).label,
            "kind": Actor.from_request(plain).kind,
        }
    )  # fmt: skip


@api_view(["GET", "POST"])
def undeclared(request: Request) -> Response:
    return things(request)


@api_view(["GET", "POST"])
def own(request: Request) -> Response:
    return Response({"user": str(request.user)})


def declared(view: Any, noun: str, **scopes: str) -> Any:
    view.cls.noun, view.cls.scopes = noun, scopes
    return view


urlpatterns = [
    path("things", declared(things, "tokens", POST="tokens:issue")),
    path("undeclared", undeclared),
    path("me", declared(own, "me")),
    path("settings/security/", own, name="settings_security"),  # where the mail about a new key leads
]
