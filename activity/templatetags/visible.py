import functools
from datetime import UTC, datetime

from django import template
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from activity import drawing
from activity.charts import duration
from activity.models import Call
from profiles.visible import visible, visible_lines

register = template.Library()
register.filter("visible", visible)
register.filter("visible_lines", visible_lines)


# Django's floatformat and intcomma say the same in ten times the time, and a page has hundreds of them.
@register.filter
def milliseconds(number: float) -> str:
    return f"{number:,.1f} ms"


@register.filter
def grouped(number: int) -> str:
    return f"{number:,}"


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
        f"{utc:%-d %b %Y, %H:%M:%S}",
        f"{local:%-d %b, %H:%M:%S}",
    )
