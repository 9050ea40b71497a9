"""When each periodic job last ran, what came of it, and when it runs next; the worker and commands write it alike.

Of one that never ran there is a row too, which every `migrate` makes.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from celery import current_app
from celery.schedules import crontab, maybe_schedule
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

OVERDUE = timedelta(minutes=5)


class JobRunManager(models.Manager["JobRun"]):
    def plan(self) -> None:
        """Have a row of every job that has a schedule."""
        self.bulk_create([JobRun(name=name) for name in current_app.conf.beat_schedule], ignore_conflicts=True)

    def run(self, name: str, act: Callable[[datetime], Any], *, by: str) -> Any:
        """Do the job, and note it; what it raises is noted by its name alone, and raised on."""
        started = timezone.now()
        try:
            result = act(started)
        except Exception as error:
            self._note(name, started, f"failed: {type(error).__name__}", by, has_failed=True)
            raise
        self._note(name, started, str(result), by, has_failed=False)
        return result

    def _note(self, name: str, started: datetime, result: str, by: str, *, has_failed: bool) -> None:
        noted = {"started_at": started, "ended_at": timezone.now(), "result": result[:300], "started_by": by}
        scheduled = {"next_run_at": next_run(name, started)} if by == "worker" else {}
        self.update_or_create(name=name, defaults={**noted, **scheduled, "has_failed": has_failed})


class JobRun(models.Model):
    """The last run of one job; of one that never ran, that it is there."""

    name = models.CharField(max_length=60, primary_key=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    started_by = models.CharField(max_length=60, blank=True, help_text=_("The worker, by its schedule, or a command."))
    result = models.CharField(max_length=300, blank=True)
    has_failed = models.BooleanField(default=False)
    next_run_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[JobRunManager] = JobRunManager()

    class Meta:
        verbose_name = _("job")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


def schedule_of(name: str) -> str:
    """Return in words how often beat sends the job; "" for one without a schedule."""
    entry: dict[str, Any] | None = current_app.conf.beat_schedule.get(name)
    if entry is None:
        return ""
    planned: Any = maybe_schedule(entry["schedule"], app=current_app)
    return _at_times(planned) if isinstance(planned, crontab) else _at_intervals(planned.run_every)


def _at_times(planned: Any) -> str:
    minute, hour = min(planned.minute), min(planned.hour)
    if len(planned.hour) > 1:
        return gettext("every hour, %(minute)d minutes past") % {"minute": minute}
    return gettext("daily at %(hour)02d:%(minute)02d UTC") % {"hour": hour, "minute": minute}


def _at_intervals(pause: timedelta) -> str:
    seconds = int(pause.total_seconds())
    if seconds % 60:
        return gettext("every %(seconds)d seconds") % {"seconds": seconds}
    return ngettext("every minute", "every %(minutes)d minutes", seconds // 60) % {"minutes": seconds // 60}


def next_run(name: str, last: datetime) -> datetime | None:
    """Return when beat sends the job next; None for one without a schedule."""
    entry: dict[str, Any] | None = current_app.conf.beat_schedule.get(name)
    if entry is None:
        return None
    planned: Any = maybe_schedule(entry["schedule"], app=current_app)
    return last + planned.remaining_estimate(last)


def send_now(name: str) -> bool:
    """Have a worker run the job at once; return False for one without a schedule."""
    entry: dict[str, Any] | None = current_app.conf.beat_schedule.get(name)
    if entry is None:
        return False
    current_app.send_task(entry["task"], retry=False)
    return True
