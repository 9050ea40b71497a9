"""When tokens end, as iCalendar (RFC 5545). Pure functions: whatever the names hold, one event stays one event."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from profiles.visible import visible
from tokens.models import DelegatedToken

FOLD = 75  # octets of a line (RFC 5545 section 3.1)
ALARMS = (
    ("P3D", timedelta(days=3), _("Token “%(name)s” ends in 3 days")),
    ("PT24H", timedelta(hours=24), _("Token “%(name)s” ends in 24 hours")),
)
# Of a token that lives a day or less.
SHORT_ALARM = ("PT1H", timedelta(hours=1), _("Token “%(name)s” ends in 1 hour"))
SPECIAL = re.compile(r"[\\;,]")
CONTENT_TYPE = "text/calendar; charset=utf-8"


def calendar(tokens: Iterable[DelegatedToken]) -> bytes:
    """Return a calendar with one event for each token, the same bytes for the same tokens in the same language."""
    title = gettext("Nexus tokens")
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Nexus//Tokens//EN", "CALSCALE:GREGORIAN", "METHOD:PUBLISH",
        f"NAME:{escape(title)}", f"X-WR-CALNAME:{escape(title)}", "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
        "X-PUBLISHED-TTL:PT1H",
    ]  # fmt: skip
    for token in tokens:
        lines += event(token)
    lines.append("END:VCALENDAR")
    return "".join(f"{fold(line)}\r\n" for line in lines).encode()


def event(token: DelegatedToken) -> list[str]:
    is_over = is_cancelled(token)
    summary = gettext("Token “%(name)s” ends") % {"name": token.name}
    page = settings.NEXUS_BASE_URL + reverse("token", args=[token.public_id])
    said = {"token": token.name, "toolkit": token.toolkit.name, "page": page}
    about = gettext("%(token)s may call the tools of %(toolkit)s until then. Replace it before: %(page)s") % said
    lines = [
        "BEGIN:VEVENT",
        f"UID:token-{token.public_id}@nexus",
        f"DTSTAMP:{_moment(token.revoked_at or token.issued_at)}",
        f"DTSTART:{_moment(token.expires_at)}",
        f"SEQUENCE:{int(is_over)}",
        f"STATUS:{'CANCELLED' if is_over else 'CONFIRMED'}",
        "TRANSP:TRANSPARENT",
        f"SUMMARY:{escape(summary)}",
        f"DESCRIPTION:{escape(about)}",
        f"URL:{page}",
    ]
    if not is_over:
        for trigger, text in alarms(token.expires_at - token.issued_at):
            lines += ["BEGIN:VALARM", "ACTION:DISPLAY", f"TRIGGER:-{trigger}"]
            lines += [f"DESCRIPTION:{escape(text % {'name': token.name})}", "END:VALARM"]
    return [*lines, "END:VEVENT"]


def is_cancelled(token: DelegatedToken) -> bool:
    """Return True where its end needs nobody any more: it was revoked, or another token took over."""
    return bool(token.revoked_at or token.retires_at)


def alarms(life: timedelta) -> list[tuple[str, str]]:
    """Return before the end when to ring, never longer than the token lives."""
    fitting = [(trigger, str(text)) for trigger, before, text in ALARMS if before < life]
    trigger, before, text = SHORT_ALARM
    return fitting or ([(trigger, str(text))] if before < life else [])


def escape(text: str) -> str:
    """Return TEXT (RFC 5545 section 3.3.11): no character of it can end the line, or the value."""
    lines = [visible(line) for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return "\\n".join(SPECIAL.sub(r"\\\g<0>", line) for line in lines)


def fold(line: str) -> str:
    """Break a line after at most 75 octets, never within a character."""
    parts, size = [""], 0
    for character in line:
        width = len(character.encode())
        if size + width > FOLD:
            parts.append("")
            size = 1  # the space that begins the next line
        parts[-1] += character
        size += width
    return "\r\n ".join(parts)


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
