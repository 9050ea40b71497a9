from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from kombu.exceptions import OperationalError as BrokerError

from profiles.admin_pages import ReadOnlyAdmin, badge, every_field, two_lines
from tokens.models import JobRun, jobs


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    list_display = ("name", "schedule", "outcome", "result", "started", "next_run")
    ordering = ("name",)
    fields = every_field(JobRun)
    actions = ("run_now",)

    @admin.display(description=_("state"))
    def outcome(self, job: JobRun) -> SafeString:
        if job.started_at is None:
            return badge("", gettext("Never ran"))
        return badge("bad", gettext("Failed")) if job.has_failed else badge("ok", gettext("Done"))

    @admin.display(description=_("schedule"))
    def schedule(self, job: JobRun) -> str:
        return jobs.schedule_of(job.name) or gettext("none any more")

    @admin.display(description=_("last run"), ordering="started_at")
    def started(self, job: JobRun) -> str | SafeString:
        if not (job.started_at and job.ended_at):
            return gettext("never")
        took = (job.ended_at - job.started_at).total_seconds()
        return two_lines(_moment(job.started_at), f"{number_format(took, 1)} s, {job.started_by}")

    @admin.display(description=_("next run"), ordering="next_run_at")
    def next_run(self, job: JobRun) -> str | SafeString:
        """Show when beat runs it next; a moment long past means that beat or the worker stands still."""
        if job.next_run_at and job.next_run_at + jobs.OVERDUE < timezone.now():
            since = date_format(timezone.localtime(job.next_run_at), "DAY_TIME_FORMAT")
            return badge("bad", gettext("overdue since %(moment)s") % {"moment": since})
        return _moment(job.next_run_at) if job.next_run_at else "–"

    @admin.action(description=_("Run now"), permissions=["view"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[JobRun]) -> None:
        """Have a worker run each at once, beside its schedule; a job that runs twice does nothing twice."""
        for name in queryset.values_list("name", flat=True):
            try:
                known = jobs.send_now(name)
            except (BrokerError, OSError):
                text = gettext("“%(name)s” was not started: the queue cannot be reached.")
                self.message_user(request, text % {"name": name}, "error")
                continue
            text = gettext("“%(name)s” is on its way to a worker. Reload this page to see what came of it.")
            text = text if known else gettext("“%(name)s” has no schedule any more.")
            self.message_user(request, text % {"name": name}, "info")


def _moment(at: datetime) -> str:
    return date_format(timezone.localtime(at), "DATETIME_SECONDS_FORMAT")
