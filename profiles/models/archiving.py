from datetime import datetime
from typing import Any, ClassVar

from django.db import models

from profiles.events import Action, Actor
from profiles.models.pausing import Pausable
from profiles.signals import archive_impact_wanted


class Archivable(Pausable):
    """Put away and kept: nobody can choose it, and its tokens are refused, until it is restored.

    A pause is another thing: what was paused when it was archived is paused when it is restored.
    """

    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_default: bool

    ARCHIVED: ClassVar[Action]
    RESTORED: ClassVar[Action]

    class Meta:
        abstract = True

    def archive(self, *, by: Actor, now: datetime) -> bool:
        """Refuse every call before this returns; return False if it was archived already. The default one stays."""
        return not self.is_default and self._switch("archived_at", now, self.ARCHIVED, by, now)

    def restore(self, *, by: Actor, now: datetime) -> bool:
        """Let what lives still go on as before; return False if it is not archived."""
        return self._switch("archived_at", None, self.RESTORED, by, now)

    def archive_impact(self, now: datetime) -> list[str]:
        """Return what stops with it, a sentence each."""
        answers: list[tuple[Any, Any]] = archive_impact_wanted.send(type(self), toolkit=self, now=now)
        return [sentence for _, sentences in answers for sentence in sentences]
