"""REST `/api/v1/`: the apps' endpoints under one address. Who may ask, and what an error looks like, are settings."""

from django.http import Http404
from django.urls import include, path, re_path
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from profiles.access import current_account, signed_in


@api_view(["GET"])
def me(request: Request) -> Response:
    person, account = signed_in(request._request), current_account(request._request)
    return Response(
        {"email": person.email, "name": person.name, "time_zone": person.time_zone, "account": str(account.pk)}
    )


@api_view(["GET", "POST", "PUT", "PATCH", "DELETE"])
def nothing_here(request: Request) -> Response:
    raise Http404


urlpatterns = [
    path("me", me),
    path("", include("tokens.api")),
    re_path("", nothing_here),
]
