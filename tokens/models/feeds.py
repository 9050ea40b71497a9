from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models, transaction
from django.db.models import Q

from profiles.events import Action, Actor, Event
from profiles.models import User
from tokens import keys
from tokens.models.delegated import DelegatedToken
from tokens.models.selecting import DelegatedTokenQuerySet

MOST_SHOWN = 1000  # tokens in one calendar
SHOWN_AFTER_END = timedelta(days=30)
NOTED_EVERY = timedelta(minutes=1)  # how exactly the last fetch is known


class CalendarFeedManager(models.Manager["CalendarFeed"]):
    def make(self, owner: User, *, by: Actor, now: datetime) -> tuple["CalendarFeed", keys.Key]:
        """Make the person's feed, in place of one that they have; return it with its secret."""
        key = keys.make(keys.Kind.CALENDAR)
        with transaction.atomic():
            feed, _ = self.update_or_create(
                owner=owner,
                defaults={
                    "public_id": key.public_id, "digest": key.digest, "last_four": key.last_four, "made_at": now,
                    "fetched_at": None,
                },
            )  # fmt: skip
            Event.record(Action.FEED_MADE, by=by, now=now, subject=feed)
        return feed, key

    def opened_by(self, text: str, *, now: datetime) -> "CalendarFeed | None":
        """Return the feed of this secret, if its owner may still sign in, and note that it was fetched."""
        if keys.kind_of(text) is not keys.Kind.CALENDAR:
            return None
        feed = self.select_related("owner").filter(digest=keys.digest(text), owner__is_active=True).first()
        if feed:
            stale = Q(fetched_at=None) | Q(fetched_at__lte=now - NOTED_EVERY)
            if feed.fetched_at is None or feed.fetched_at <= now - NOTED_EVERY:
                self.filter(stale, pk=feed.pk).update(fetched_at=now)
        return feed


class CalendarFeed(models.Model):
    """A person's private calendar of when their tokens end: whoever has its address may read that, and nothing else."""

    owner = models.OneToOneField(User, on_delete=models.CASCADE, related_name="calendar_feed")
    public_id = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    made_at = models.DateTimeField()
    fetched_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[CalendarFeedManager] = CalendarFeedManager()

    def __str__(self) -> str:
        return keys.masked(self.public_id, self.last_four, keys.Kind.CALENDAR)

    def tokens(self, now: datetime) -> DelegatedTokenQuerySet:
        """Return the owner's tokens of the last weeks and those to come, without what programs exchanged for itself."""
        mine = DelegatedToken.objects.filter(owner=self.owner_id, exchanges=0, expires_at__gt=now - SHOWN_AFTER_END)
        found: DelegatedTokenQuerySet = mine.exclude(stage=DelegatedToken.Stage.PENDING)
        return found.select_related("toolkit").order_by("expires_at", "id")[:MOST_SHOWN]

    def revoke(self, *, by: Actor, now: datetime) -> None:
        """Close its address for good, from the next request on."""
        with transaction.atomic():
            Event.record(Action.FEED_REVOKED, by=by, now=now, subject=self)
            self.delete()
