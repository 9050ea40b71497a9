"""REST for delegated tokens: what a signed-in person may see and revoke. No answer here ever carries a secret."""

from typing import Any

from django.core.exceptions import ValidationError as NotAMoment
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils import timezone
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from profiles.access import signed_in
from profiles.events import Actor
from tokens import api_bearer
from tokens.api_output import TokenOutput
from tokens.models import DelegatedToken
from tokens.models.selecting import DelegatedTokenQuerySet

MAX_PAGE = 200


class RevokeInput(serializers.Serializer[Any]):
    reason = serializers.ChoiceField(choices=DelegatedToken.Reason.choices, default=DelegatedToken.Reason.UNNEEDED)
    note = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")


class TokenPages(CursorPagination):
    """Keyset pages, newest first: `limit` up to 200, `cursor` from the page before."""

    page_size = 50
    ordering = ("-issued_at", "-id")
    page_size_query_param = "limit"

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("limit", str(self.page_size))
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_PAGE:
            raise ValidationError({"limit": [f"Write a whole number from 1 to {MAX_PAGE}."]})
        return int(text)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, NotAMoment) as error:
            raise ValidationError({"cursor": ["This cursor is not one of ours; begin without one."]}) from error


def _visible(request: Request) -> DelegatedTokenQuerySet:
    tokens: DelegatedTokenQuerySet = DelegatedToken.objects.visible_to(signed_in(request._request))
    return tokens.select_related("owner", "account", "toolkit")


@api_view(["GET", "POST"])
def tokens(request: Request) -> Response:
    if request.method == "POST":
        raise PermissionDenied("Tokens are issued on the Install page, by a person who has confirmed who they are.")
    now, found = timezone.now(), _visible(request)
    if state := request.query_params.get("state"):
        if state not in DelegatedToken.State.values:
            raise ValidationError({"state": [f"Write one of {', '.join(DelegatedToken.State.values)}."]})
        found = found.in_state(state, now)
    if profile := request.query_params.get("profile"):
        found = found.filter(toolkit__alias=profile)
    pages = TokenPages()
    page = pages.paginate_queryset(found, request) or []
    return pages.get_paginated_response([TokenOutput(token, context={"now": now}).data for token in page])


@api_view(["GET"])
def token(request: Request, public_id: str) -> Response:
    found = get_object_or_404(_visible(request), public_id=public_id)
    return Response(TokenOutput(found, context={"now": timezone.now()}).data)


@api_view(["POST"])
def revoke(request: Request, public_id: str) -> Response:
    """End the token; when this answers, no call of it begins any more. Ending it again changes nothing."""
    found = get_object_or_404(_visible(request), public_id=public_id)
    wish = RevokeInput(data=request.data)
    wish.is_valid(raise_exception=True)
    now = timezone.now()
    found.revoke(by=Actor.from_request(request._request), now=now, **wish.validated_data)
    found.refresh_from_db()
    return Response(TokenOutput(found, context={"now": now}).data)


urlpatterns = [
    path("tokens", tokens),
    path("tokens/self", api_bearer.token_itself),
    path("credentials/revoke", api_bearer.credentials_revoke),
    path("tokens/<slug:public_id>", token),
    path("tokens/<slug:public_id>/revoke", revoke),
]
