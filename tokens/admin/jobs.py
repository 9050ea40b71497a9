from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
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

    @admin.display(description="state")
    def outcome(self, job: JobRun) -> SafeString:
        if job.started_at is None:
            return badge("", str(_("Never ran")))
        return badge("bad", "Failed") if job.has_failed else badge("ok", "Done")

    @admin.display(description=_("schedule"))
    def schedule(self, job: JobRun) -> str:
        return jobs.schedule_of(job.name) or str(_("none any more"))

    @admin.display(description="last run", ordering="started_at")
    def started(self, job: JobRun) -> str | SafeString:
        if not (job.started_at and job.ended_at):
            return str(_("never"))
        took = (job.ended_at - job.started_at).total_seconds()
        return two_lines(f"{timezone.localtime(job.started_at):%-d %b %Y, %H:%M:%S}", f"{took:.1f} s, {job.started_by}")

    @admin.display(description="next run", ordering="next_run_at")
    def next_run(self, job: JobRun) -> str | SafeString:
        """Show when beat runs it next; a moment long past means that beat or the worker stands still."""
        if job.next_run_at and job.next_run_at + jobs.OVERDUE < timezone.now():
            return badge("bad", f"overdue since {timezone.localtime(job.next_run_at):%d %b %H:%M}")
        return f"{timezone.localtime(job.next_run_at):%-d %b %Y, %H:%M:%S}" if job.next_run_at else "–"

    @admin.action(description="Run now", permissions=["view"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[JobRun]) -> None:
        """Have a worker run each at once, beside its schedule; a job that runs twice does nothing twice."""
        for name in queryset.values_list("name", flat=True):
            try:
                known = jobs.send_now(name)
            except (BrokerError, OSError):
                self.message_user(request, f"“{name}” was not started: the queue cannot be reached.", "error")
                continue
            text = f"“{name}” is on its way to a worker. Reload this page to see what came of it."
            self.message_user(request, text if known else f"“{name}” has no schedule any more.", "info")
