"""The authority epoch: how a change of rights reaches every hub process before its answer is sent.

A change of rights increments the epoch in its own transaction and notes whom it concerns. Hub processes hold what
they know under a lease of two seconds. On PostgreSQL they are told by NOTIFY and confirm, and the change is answered
when all that are alive have confirmed, or their lease has run out. On SQLite each call looks at the file itself.
"""

import time
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import InterfaceError, OperationalError, connection, models, transaction
from django.db.models import F
from django.db.models.functions import Now

LEASE = timedelta(seconds=2)
MARGIN = timedelta(milliseconds=100)  # beyond the lease, in which clocks may differ
CHANNEL = "nexus_authority"
KEPT = timedelta(hours=1)  # how far back the log of changes reaches


class AuthorityManager(models.Manager["Authority"]):
    def advance(self, scope: str, subjects: Iterable[object]) -> int:
        """Note that rights have changed and return the new epoch; call it inside the transaction of the change.

        When the outermost transaction has committed, and before it returns, every hub process knows.
        """
        with transaction.atomic():
            self.filter(pk=1).update(epoch=F("epoch") + 1)
            epoch = self.get(pk=1).epoch
            AuthorityChange.objects.bulk_create(
                AuthorityChange(epoch=epoch, scope=scope, subject=str(subject)) for subject in subjects
            )
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(epoch)])
                transaction.on_commit(lambda: HubProcess.objects.wait_for(epoch))
        return epoch

    def forget_old_changes(self, now: datetime) -> int:
        """Delete what every living hub has long heard of; one that has not forgets everything it knew."""
        return AuthorityChange.objects.filter(at__lt=now - KEPT).delete()[0]


class Authority(models.Model):
    """The one row that counts changes of rights."""

    epoch = models.BigIntegerField(default=0)

    objects: ClassVar[AuthorityManager] = AuthorityManager()

    def __str__(self) -> str:
        return f"epoch {self.epoch}"


class AuthorityChange(models.Model):
    """Whom a change concerns, so that a hub forgets only that."""

    class Scope(models.TextChoices):
        TOKEN = "token"  # noqa: S105
        OWNER = "owner"
        ACCOUNT = "account"
        TOOLKIT = "toolkit"
        SERVER = "server"
        CONNECTION = "connection"

    epoch = models.BigIntegerField(db_index=True)
    scope = models.CharField(max_length=10, choices=Scope.choices)
    subject = models.CharField(max_length=64)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.epoch}: {self.scope} {self.subject}"


class HubProcessManager(models.Manager["HubProcess"]):
    def wait_for(self, epoch: int) -> None:
        """Return when no living hub process may still act on what was true before the epoch.

        A lease is extended only by knowing the newest epoch, so the longest wait is one lease. That is also the wait
        where PostgreSQL goes away now: the change has been committed, and must not be reported as undone.
        """
        over = time.monotonic() + (LEASE + MARGIN).total_seconds()
        behind = self.filter(confirmed_epoch__lt=epoch, renewed_at__gt=Now() - LEASE - MARGIN)
        try:
            while behind.exists() and time.monotonic() < over:
                time.sleep(0.004)
        except (OperationalError, InterfaceError):
            time.sleep(max(0.0, over - time.monotonic()))


class HubProcess(models.Model):
    """A running hub process, and the epoch up to which it knows."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    confirmed_epoch = models.BigIntegerField()
    renewed_at = models.DateTimeField(db_index=True)

    objects: ClassVar[HubProcessManager] = HubProcessManager()

    def __str__(self) -> str:
        return str(self.id)
