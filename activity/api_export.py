"""REST for calls and events as files: by the filters of the pages, with the rows of the pages."""

from typing import Any

from django.http import HttpResponseBase
from django.urls import path
from rest_framework import serializers

from activity import export, trail
from activity.forms import PLACES, CallsForm, SpanForm
from activity.forms_events import EventsForm
from profiles.rest.acts import Input, writes
from profiles.rest.asking import Asked
from profiles.rest.endpoints import resource
from profiles.rest.filtering import errors_of
from profiles.rest.problems import WIRE_NAMES

FORMS: dict[str, type[SpanForm]] = {"calls": CallsForm, "events": EventsForm}
FILES = tuple(kind.partition(";")[0] for kind in export.TYPES.values())


class ExportInput(Input):
    account = serializers.UUIDField(required=False)
    what = serializers.ChoiceField(choices=[(name, name) for name in FORMS])
    format = serializers.ChoiceField(choices=[(name, name) for name in export.TYPES], default="csv")
    filters = serializers.DictField(
        child=serializers.CharField(max_length=200), default=dict,
        help_text="As the page's address has them: `range`, or `since` and `until`; `outcome`, `group` and so on.",
    )  # fmt: skip


@writes("activity:read", None, ExportInput, status=200, files=FILES)
def export_activity(asked: Asked, wish: dict[str, Any]) -> HttpResponseBase:
    """Take calls or events along as a file. Whoever sees only their own gets their own; it is an event itself."""
    form = _form(asked, wish)
    if not form.is_valid():
        raise serializers.ValidationError({"filters": errors_of(form)})
    if isinstance(form, EventsForm):
        listing: Any = form.listing(trail.events_of(form.account, form.user))
    else:
        listing = form.listing  # type: ignore[attr-defined]
    return export.take(asked.request._request, form, listing, wish["what"], wish["format"])


def _form(asked: Asked, wish: dict[str, Any]) -> SpanForm:
    of_wire = {wire: name for name, wire in WIRE_NAMES.items()}
    kind, said = FORMS[wish["what"]], {of_wire.get(name, name): value for name, value in wish["filters"].items()}
    known = sorted({WIRE_NAMES.get(name, name) for name in set(kind.base_fields) - set(PLACES)})
    if set(wish["filters"]) - set(known):
        raise serializers.ValidationError({"filters": [f"Known for {wish['what']}: {', '.join(known)}."]})
    return kind(said, account=asked.account(wish.get("account")), user=asked.user, now=asked.now)


urlpatterns = [path("activity/export", resource(post=export_activity))]
