from datetime import datetime
from typing import ClassVar

from django.db import models, transaction

from profiles.events import Action, Actor, Event
from profiles.signals import authority_changed


class Pausable(models.Model):
    """The kill switch: while it is paused, the hub refuses every call; resumed, all goes on as before."""

    paused_at = models.DateTimeField(null=True, blank=True)

    PAUSED: ClassVar[Action]
    RESUMED: ClassVar[Action]
    SCOPE: ClassVar[str]  # of authority_changed

    class Meta:
        abstract = True

    def pause(self, *, by: Actor, now: datetime) -> bool:
        """Refuse every call before this returns; return False if it was so already."""
        return self._switch("paused_at", now, self.PAUSED, by, now)

    def resume(self, *, by: Actor, now: datetime) -> bool:
        return self._switch("paused_at", None, self.RESUMED, by, now)

    def belongs_to(self) -> models.Model:
        """Return the account in whose events a pause is noted."""
        raise NotImplementedError

    def _switch(self, field: str, at: datetime | None, action: Action, by: Actor, now: datetime) -> bool:
        """Set the moment since which it is off, or None; return False if it was off, or on, already."""
        other = type(self)._default_manager.filter(pk=self.pk, **{f"{field}__isnull": at is not None})
        with transaction.atomic():
            if not other.update(**{field: at}):
                return False
            setattr(self, field, at)
            Event.record(action, by=by, now=now, account=self.belongs_to(), subject=self)
            authority_changed.send(type(self), scope=self.SCOPE, subject=str(self.pk))
        return True
