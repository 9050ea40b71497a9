from datetime import datetime

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def moment(at: datetime, form: str = "") -> SafeString:
    """Return what components/time.html shows, for a sentence that is translated whole; form may be "exact"."""
    return SafeString(render_to_string("components/time.html", {"at": at, "exact": form == "exact"}).strip())
