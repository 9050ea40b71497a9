"""A second toolkit like the first: its servers, the tools that it allows, its rules and words."""

from datetime import datetime

from django.db import transaction

from profiles.events import Actor
from profiles.models.entries import ToolkitServer, ToolkitTool
from profiles.models.toolkits import Toolkit

RULES = ("includes_new_tools", "offers_status_tool", "is_read_only", "holds_changed_tools", "kept_of_calls")
WORDS = ("is_marked_read_only", "title_override", "description_override")


def copy_toolkit(
    source: Toolkit, *, alias: str, name: str, description: str, by: Actor, now: datetime
) -> tuple[Toolkit, int]:
    """Return the copy, and how many tools are off in it because their servers altered them and nobody approved that.

    Tokens, policies and assignments stay with the source. Raise ValidationError, by field, for what cannot be.
    """
    with transaction.atomic():
        copy: Toolkit = Toolkit.objects.create_toolkit(
            source.account, alias=alias, name=name, description=description, naming=Toolkit.Naming(source.naming),
            by=by, now=now,
        )  # fmt: skip
        places = source.places.filter(server__removed_at=None).select_related("server")
        altered = sum(_copy_place(copy, place, by, now) for place in places)
        copy.change(by=by, now=now, **{rule: getattr(source, rule) for rule in RULES})
    return copy, altered


def _copy_place(copy: Toolkit, place: ToolkitServer, by: Actor, now: datetime) -> int:
    """Allow what is approved there as it is now: to copy is not to approve."""
    altered = set(place.entries.changed().values_list("tool_id", flat=True))
    entries = {entry.tool_id: entry for entry in place.entries.select_related("tool")}
    allowed = [entry.tool.name for entry in entries.values() if entry.is_allowed and entry.tool_id not in altered]
    copy.add_server(
        place.server, allowed=allowed, offers_resources=place.offers_resources, offers_prompts=place.offers_prompts,
        by=by, now=now,
    )  # fmt: skip
    mine = list(ToolkitTool.objects.filter(toolkit=copy, tool_id__in=entries.keys() - altered))
    for entry in mine:
        for word in WORDS:
            setattr(entry, word, getattr(entries[entry.tool_id], word))
    ToolkitTool.objects.bulk_update(mine, WORDS)
    return len(altered)
