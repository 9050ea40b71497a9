import functools
from datetime import UTC, datetime

from django import template
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity import drawing, numbers, reasons
from activity.charts import duration
from activity.models import Call
from profiles.visible import visible, visible_lines

register = template.Library()
register.filter("visible", visible)
register.filter("visible_lines", visible_lines)


@register.filter
def milliseconds(number: float) -> str:
    return numbers.written(f"{number:,.1f} ms")


register.filter("grouped", numbers.grouped)
register.filter("reason_told", reasons.told)
register.filter("duration", duration)
register.filter("bars", drawing.bars)
register.filter("rows", drawing.rows)


@register.filter
def badge_of(call: Call) -> SafeString:
    return _badge(call.outcome, call.get_outcome_display())


@functools.cache
def _badge(outcome: str, label: str) -> SafeString:
    """Render the component once for each outcome: a page has as many as it has rows."""
    return render_to_string("components/outcome.html", {"outcome": outcome, "label": label})


# components/time.html says the same, and takes a hundred times as long.
@register.filter
def clock(at: datetime) -> SafeString:
    """Write a moment to the second, on the person's clock, with UTC in the title."""
    local, utc = timezone.localtime(at), at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(),
        date_format(utc, "DATETIME_SECONDS_FORMAT"),
        date_format(local, "DAY_TIME_SECONDS_FORMAT"),
    )


# For the middle of a sentence: a component cannot be included there.
@register.filter
def moment(at: datetime) -> SafeString:
    return render_to_string("components/time.html", {"at": at})


@register.filter
def short_moment(at: datetime) -> SafeString:
    return render_to_string("components/time.html", {"at": at, "short": True})
