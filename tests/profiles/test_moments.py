"""Filters for long tables say what the components say."""

from datetime import UTC, datetime

import pytest
from django.template.loader import render_to_string
from django.utils import timezone, translation

from profiles.templatetags.moments import badge, instant

AT = datetime(2026, 11, 25, 23, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_a_moment_is_written_as_its_component_does(language, zone):
    with translation.override(language), timezone.override(zone):
        assert instant(AT) == render_to_string("components/time.html", {"at": AT}).strip()


@pytest.mark.parametrize("kind", ["ok", "warn", "bad", "info", "quiet"])
def test_a_badge_is_its_component(kind):
    assert (
        badge(kind, "<Active>") == render_to_string("components/badge.html", {"kind": kind, "text": "<Active>"}).strip()
    )
    assert "&lt;Active&gt;" in badge(kind, "<Active>")
