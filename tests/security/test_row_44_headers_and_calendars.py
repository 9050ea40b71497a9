"""Row 44, calendars and headers: whatever a name holds, it begins no line of a calendar, a header or a mail."""

import re

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.utils import timezone

from tests import cast
from tests.security.pages import browser
from tokens import calendars, emails_webhooks
from tokens.models import DelegatedToken, Webhook

pytestmark = pytest.mark.django_db(databases="__all__")
HOSTILE = {
    "attach": "n8n\r\nATTACH:https://evil.example/x",
    "end": "n8n\nEND:VEVENT\nBEGIN:VEVENT",
    "return": "n8n\rATTENDEE:mailto:x@evil.example",
    "next line": "n8n\x85ATTACH:x",
    "line separator": "n8n\u2028ATTACH:x",
    "parameters": 'n8n";X=1:y,z\\n;',
    "nul": "n8n\x00ATTACH:x",
    "folded": "n8n\r\n ATTACH:x",
    "override": "n8n\u202eHCATTA",
    "long": "\U0001f511" * 80,
}
# Content lines as RFC 5545 section 3.1 has them: a name, parameters, a value without controls.
LINE = re.compile(r"[A-Z-]+(;[A-Z-]+=[A-Z0-9-]+)*:[^\x00-\x1f\x7f]*")
NAMES = {
    "BEGIN", "END", "VERSION", "PRODID", "CALSCALE", "METHOD", "NAME", "X-WR-CALNAME", "REFRESH-INTERVAL",
    "X-PUBLISHED-TTL", "UID", "DTSTAMP", "DTSTART", "SEQUENCE", "STATUS", "TRANSP", "SUMMARY", "DESCRIPTION", "URL",
    "ACTION", "TRIGGER",
}  # fmt: skip


def unescaped(text):
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] in "nN" else match[1], text)


@pytest.fixture
def token(alice, work):
    return cast.make_token(alice, work).token


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_name_stays_in_its_line_of_the_calendar(token, name):
    token.name, token.toolkit.name = name, name
    raw = calendars.calendar([token]).decode()
    assert raw.endswith("\r\n")
    assert all(len(line.encode()) <= 75 for line in raw.split("\r\n"))
    assert "\n" not in raw.replace("\r\n", "")
    lines = raw.replace("\r\n ", "").removesuffix("\r\n").split("\r\n")
    assert all(LINE.fullmatch(line) for line in lines)
    assert {re.split("[:;]", line)[0] for line in lines} <= NAMES
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") == 1
    summary = next(line for line in lines if line.startswith("SUMMARY:"))
    assert unescaped(summary.removeprefix("SUMMARY:")).startswith("Token “" + name[:3])


@pytest.mark.parametrize("name", ["n8n\r\nATTACH:x", "n8n\nx", "n8n\x00x", "n8n\u202ex"])
def test_such_a_name_is_not_taken_for_a_token_nor_a_webhook(alice, work, name):
    browser_of_alice = browser(alice)
    if "\u202e" in name or "\x00" in name:  # white space is made one blank, the rest refused
        with pytest.raises(ValidationError):
            cast.make_token(alice, work, name)
    else:
        assert "\n" not in cast.make_token(alice, work, name).token.name
    data = {"url": "http://127.0.0.1:9/", "description": name, "kinds": ["token.revoked"]}
    assert browser_of_alice.post("/settings/webhooks/new/", data).status_code == 422
    assert not Webhook.objects.exists()


def test_the_file_name_says_nothing_that_a_person_wrote(alice, token):
    DelegatedToken.objects.filter(pk=token.pk).update(name='x"; filename="evil.exe')
    disposition = browser(alice).get(f"/tokens/{token.public_id}/calendar.ics")["Content-Disposition"]
    assert disposition == f'attachment; filename="nexus-token-{token.public_id}.ics"'


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_name_begins_no_header_of_a_mail(acme, name):
    acme.name = name.replace("\x00", "")
    acme.save()
    hook, _ = Webhook.objects.add(
        acme, url="http://127.0.0.1:9/", description="Ops", kinds=["token.revoked"], by=cast.OPERATOR,
        now=timezone.now(),
    )  # fmt: skip
    hook.switched_off_because = "It is gone."
    emails_webhooks.switched_off(hook)
    message = mail.outbox[0].message()
    assert {"bcc", "attach", "attendee"} & set(map(str.lower, message.keys())) == set()
    assert "\n" not in mail.outbox[0].subject
