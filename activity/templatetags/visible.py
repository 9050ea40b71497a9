import functools
import re
from datetime import datetime

from django import template
from django.template.loader import render_to_string
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from activity import drawing, numbers, reasons
from activity.charts import duration
from activity.models import Call
from profiles.templatetags.moments import moment, written
from profiles.visible import visible, visible_lines

AFTER_UNDERSCORES = re.compile(r"(_+)(?=[^_])")

register = template.Library()
register.filter("visible", visible)
register.filter("visible_lines", visible_lines)


@register.filter
def milliseconds(number: float) -> str:
    return numbers.written(f"{number:,.1f} ms")


register.filter("grouped", numbers.grouped)
register.filter("reason_told", reasons.told)
register.filter("duration", duration)
register.filter("moment", moment)
register.filter("bars", drawing.bars)
register.filter("rows", drawing.rows)


@register.filter
def breakable(name: str) -> SafeString:
    """Return the name of a tool, which breaks after underscores where it does not fit."""
    return SafeString(AFTER_UNDERSCORES.sub(r"\1<wbr>", conditional_escape(name)))


@register.filter
def badge_of(call: Call) -> SafeString:
    return _badge(call.outcome, get_language() or "")


@functools.cache
def _badge(outcome: str, language: str) -> SafeString:
    """Render the component once for each outcome and language: a page has as many as it has rows."""
    return render_to_string("components/outcome.html", {"outcome": outcome, "label": Call.Outcome(outcome).label})


@register.filter
def clock(at: datetime) -> SafeString:
    """Write a moment to the second, on the person's clock, with UTC in the title."""
    return written(at, "DAY_TIME_SECONDS_FORMAT")
