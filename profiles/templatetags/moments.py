import functools
from datetime import UTC, datetime

from django import template
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def moment(at: datetime, form: str = "") -> SafeString:
    """Return what components/time.html shows, for a sentence that is translated whole; form is "short" or "exact"."""
    forms = {"short": form == "short", "exact": form == "exact"}
    return SafeString(render_to_string("components/time.html", {"at": at, **forms}).strip())


# For long tables: components/time.html and badge.html say the same, and take many times as long.
@register.filter
def instant(at: datetime) -> SafeString:
    """Write a moment on the person's clock, with UTC in the title."""
    return written(at, "DATETIME_FORMAT")


def written(at: datetime, form: str) -> SafeString:
    utc = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>',
        utc.isoformat(),
        date_format(utc, "DATETIME_SECONDS_FORMAT"),
        date_format(timezone.localtime(at), form),
    )


@register.filter
def badge(kind: str, text: str) -> SafeString:
    return _badge(kind, str(text))


@functools.lru_cache(maxsize=200)
def _badge(kind: str, text: str) -> SafeString:
    """Render the component once for each state: a page has as many as it has rows."""
    return SafeString(render_to_string("components/badge.html", {"kind": kind, "text": text}).strip())
