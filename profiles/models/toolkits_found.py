"""Which toolkits somebody may see, use, manage or choose."""

import contextlib
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext

from profiles.models.entries import ToolkitServer, ToolkitTool
from profiles.models.people import User
from profiles.permissions import Act, Reach, roles_with

if TYPE_CHECKING:
    from profiles.models.toolkits import Toolkit


class ToolkitQuerySet(models.QuerySet["Toolkit"]):
    def living(self) -> Self:
        return self.filter(deleted_at=None)

    def in_use(self) -> Self:
        return self.living().filter(archived_at=None)

    def choosable(self, chosen: Iterable[uuid.UUID] = ()) -> Self:
        """Return the toolkits to choose from: no archived ones, but for those that are chosen already."""
        return self.living().filter(Q(archived_at=None) | Q(pk__in=chosen))

    def usable_by(self, user: User) -> Self:
        """Return the toolkits that the person may call through the hub."""
        return self.open_to(user).filter(archived_at=None)

    def open_to(self, user: User) -> Self:
        """Return the toolkits that the person's role and assignments lead to, archived ones too."""
        everything = Q(account__members__user=user, account__members__role__in=roles_with(Act.USE_TOOLKITS))
        assigned = Q(
            assigned_members__user=user,
            assigned_members__role__in=roles_with(Act.USE_TOOLKITS, Reach.OWN),
        )
        return self.living().filter(everything | assigned).distinct()

    def why_not_for(self, user: User, toolkit: "Toolkit") -> str:
        """Return why the person cannot use the toolkit now, or "" if they can."""
        found = list(self.open_to(user).filter(pk=toolkit.pk).values_list("archived_at", flat=True))
        if not found:
            return gettext("%(owner)s may not use the toolkit “%(toolkit)s”.") % {"owner": user, "toolkit": toolkit}
        if not any(found):
            return ""
        text = gettext("The toolkit “%(toolkit)s” is archived. An admin of its account can restore it.")
        return text % {"toolkit": toolkit}

    def named(self, name: str) -> Self:
        """Return the toolkits with this id, alias or former alias."""
        by_alias = Q(alias=name) | Q(former_aliases__alias=name)
        with contextlib.suppress(ValueError):
            return self.filter(by_alias | Q(pk=uuid.UUID(name))).distinct()
        return self.filter(by_alias).distinct()

    def managed_by(self, user: User) -> Self:
        return self.living().filter(
            account__members__user=user, account__members__role__in=roles_with(Act.MANAGE_TOOLKITS)
        )

    def with_counts(self) -> Self:
        """Add how many tools clients get, are new, or have changed; how many servers there are, and how many fail."""
        entries = ToolkitTool.objects.offered().filter(toolkit=OuterRef("pk"))
        visible = ToolkitTool.objects.visible().filter(toolkit=OuterRef("pk"))
        places = ToolkitServer.objects.filter(toolkit=OuterRef("pk"), server__removed_at=None)
        return self.annotate(
            allowed_count=count_of(visible),
            new_count=count_of(entries.filter(is_new=True)),
            changed_count=count_of(entries.changed()),
            server_count=count_of(places),
            failing_count=count_of(places.exclude(server__failed_at=None)),
        )


def count_of(rows: models.QuerySet[Any]) -> Coalesce:
    """Return the number of rows that belong to the outer row, as a subquery."""
    counted = rows.order_by().values("toolkit").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), 0)
