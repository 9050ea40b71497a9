"""REST for what happened: calls through the hub, and events. Both only grow; nobody changes them here."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import path
from django_filters import CharFilter, ChoiceFilter, FilterSet, UUIDFilter
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from activity import api_findings, export, trail, views_export
from activity.fields import one_of
from activity.forms import NOT_OK, CallsForm
from activity.keyset import Listing
from activity.models import Call
from activity.spans import NAMED
from profiles.events import Action, Event
from profiles.models import Account
from profiles.permissions import Act
from profiles.rest.acts import Moment, lists, reads, sends
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from profiles.rest.filtering import MomentFilter, errors_of
from profiles.rest.paging import BAD_CURSOR, MAX_LIMIT, limit_asked, next_page


class CallOutput(serializers.Serializer[Call]):
    id = serializers.UUIDField()
    at = Moment()
    account = serializers.UUIDField(source="account_id")
    owner = serializers.CharField(source="owner_email")
    profile = serializers.CharField(source="toolkit_alias")
    profile_id = serializers.UUIDField(source="toolkit_id")
    token = serializers.CharField(source="token_public_id")
    token_name = serializers.CharField()
    token_kind = serializers.CharField()
    application = serializers.CharField()
    actors = serializers.CharField()
    client_name = serializers.CharField()
    client_version = serializers.CharField()
    address = serializers.CharField()
    user_agent = serializers.CharField()
    protocol = serializers.CharField()
    era = serializers.CharField()
    method = serializers.CharField()
    server = serializers.CharField()
    tool = serializers.CharField()
    outcome = serializers.ChoiceField(choices=Call.Outcome.choices)
    reason = serializers.CharField()
    hub_ms = serializers.FloatField()
    upstream_ms = serializers.FloatField()
    bytes_in = serializers.IntegerField()
    bytes_out = serializers.IntegerField()
    request_id = serializers.CharField()
    arguments = serializers.CharField(help_text="As the toolkit keeps them: nothing, a digest, or redacted.")
    result = serializers.CharField(help_text="As the arguments.")


class CallsOutput(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True, help_text="The address of the next page.")
    results = CallOutput(many=True)
    searched_to = Moment(allow_null=True, help_text="Where a search stopped that no index helps; go on with `next`.")


class EventOutput(serializers.Serializer[Event]):
    id = serializers.UUIDField()
    at = Moment()
    action = serializers.CharField()
    account = serializers.UUIDField(source="account_id", allow_null=True)
    actor_kind = serializers.CharField()
    actor_id = serializers.CharField()
    actor = serializers.CharField(source="actor_label")
    subject_kind = serializers.CharField()
    subject_id = serializers.CharField()
    subject = serializers.CharField(source="subject_label")
    reason = serializers.CharField()
    before = serializers.DictField()
    after = serializers.DictField()
    address = serializers.CharField()
    request_id = serializers.CharField()


class EventFilters(FilterSet):
    account = UUIDFilter(field_name="account_id")
    action = ChoiceFilter(choices=Action.choices)
    subject_kind = CharFilter(max_length=40)
    subject_id = CharFilter(max_length=64)
    since = MomentFilter(field_name="at", lookup_expr="gte")
    until = MomentFilter(field_name="at", lookup_expr="lt")


ACCOUNT = OpenApiParameter("account", {"type": "string", "format": "uuid"}, description="Else the current one.")
FILTERS = ("range", "since", "until", "token", "outcome", "member", "client", "server", "tool", "address", "text")
PAGE_PARAMETERS = (
    OpenApiParameter("cursor", str, description="Where the page begins, as `next` of the page before says."),
    OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 50}),
)
FORMAT = OpenApiParameter("format", {"type": "string", "enum": list(export.TYPES), "default": views_export.DEFAULT})
CALL_PARAMETERS = (
    ACCOUNT,
    OpenApiParameter(
        "range", {"type": "string", "enum": list(NAMED)}, description="Else 24h; 30d where a token is named."
    ),
    OpenApiParameter("since", {"type": "string", "format": "date-time"}, description="Instead of a range."),
    OpenApiParameter("until", {"type": "string", "format": "date-time"}, description="Else now."),
    OpenApiParameter("profile", str, description="Alias of a toolkit."),
    OpenApiParameter("token", {"type": "string", "maxLength": 80}, description="Name or public id of a token."),
    OpenApiParameter("outcome", {"type": "string", "enum": [NOT_OK, *Call.Outcome.values]}),
    OpenApiParameter("member", int, description="Number of a member."),
    OpenApiParameter("client", {"type": "string", "maxLength": 100}, description="In what the client says it is."),
    OpenApiParameter("server", {"type": "string", "maxLength": 16}, description="Short name of a server."),
    OpenApiParameter("tool", {"type": "string", "maxLength": 200}, description="Whole name of a tool."),
    OpenApiParameter("address", str, description="An address or a range, such as 192.0.2.0/24."),
    OpenApiParameter("text", {"type": "string", "maxLength": 100}, description="In tool, client, address, request id."),
)


@reads("activity:read", CallsOutput, parameters=(*PAGE_PARAMETERS, *CALL_PARAMETERS), problems=(404,))
def list_calls(asked: Asked) -> dict[str, Any]:
    """List calls, the newest first: your own, or all of an account where you may see them."""
    listing = _form(asked).listing
    page = listing.page(limit_asked(asked.request), before=_place(listing, asked.request.query_params.get("cursor")))
    cursor = str(page.older) if page.older else None
    return {"next": next_page(asked.request, cursor), "results": page.rows, "searched_to": page.searched_to}


@sends("activity:read", *export.TYPES.values(), parameters=(FORMAT, *CALL_PARAMETERS), problems=(404,))
def export_calls(asked: Asked) -> HttpResponseBase:
    """Send the same calls as a file of any length, CSV or one JSON object a line. It is noted as an event."""
    form_of_file = asked.request.query_params.get("format", views_export.DEFAULT)
    if form_of_file not in export.TYPES:
        raise ValidationError({"format": [one_of(export.TYPES)]})
    return views_export.send_calls(asked.request._request, _form(asked), form_of_file)


def _form(asked: Asked) -> CallsForm:
    """Return what the parameters describe; raise ValidationError, by parameter."""
    query = asked.request.query_params
    account = asked.account(_account_id(query.get("account")))
    said = {name: query.get(name, "") for name in FILTERS} | {"toolkit": query.get("profile", "")}
    form = CallsForm(said, account=account, user=asked.user, now=asked.now)
    if not form.is_valid():
        raise ValidationError(errors_of(form))
    return form


def _account_id(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return serializers.UUIDField().to_internal_value(text)
    except ValidationError as error:
        raise ValidationError({"account": error.detail}) from error


def _place(listing: Listing[Call], cursor: str | None) -> Call | None:
    """Return the call below which the page begins."""
    if cursor is None:
        return None
    try:
        found = listing.find(serializers.UUIDField().to_internal_value(cursor))
    except ValidationError:
        found = None
    if found is None:
        raise ValidationError({"cursor": [BAD_CURSOR]})
    return found


def _seen(asked: Asked) -> QuerySet[Event]:
    """Return what the page of events shows of each account; by session, what belongs to no account too."""
    mine = set(asked.accounts().values_list("pk", flat=True))
    everything = mine & set(Account.objects.where(asked.user, Act.SEE_ACTIVITY).values_list("pk", flat=True))
    others = mine - everything
    seen = Q(account_id__in=everything)
    if others:
        seen |= Q(account_id__in=others) & trail.concerning(asked.user)
    return Event.objects.filter(seen if asked.key else seen | trail.of_nobody_else(asked.user))


@lists("activity:read", EventOutput, filters=EventFilters, orderings=("-at", "at"))
def list_events(asked: Asked) -> QuerySet[Event]:
    """List security-relevant acts: those of accounts whose activity you see, and what concerns you."""
    return _seen(asked)


@reads("activity:read", EventOutput)
def get_event(asked: Asked, pk: Any) -> Event:
    return get_object_or_404(_seen(asked), pk=pk)


urlpatterns = [
    path("activity/calls", resource(get=list_calls)),
    path("activity/export", resource(get=export_calls)),
    path("activity/events", resource(get=list_events)),
    path("activity/events/<uuid:pk>", resource(get=get_event)),
    *api_findings.urlpatterns,
]
