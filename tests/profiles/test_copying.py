"""A toolkit is copied with what it offers; what nobody has approved is not approved by that."""

import pytest
from django.utils import timezone

from profiles.events import Action, Event
from profiles.models import Toolkit, ToolkitTool
from tests import cast

COPY = {"name": "Work copy", "alias": "work-copy", "description": "For a try"}


def test_a_copy_offers_the_same_by_the_same_rules(at_acme, work):
    work.change(is_read_only=True, by=cast.OPERATOR, now=timezone.now())
    entry = work.entries.get(tool__name="echo")
    ToolkitTool.objects.filter(pk=entry.pk).update(is_marked_read_only=True, description_override="Says it again")
    page = at_acme.get(f"/toolkits/{work.pk}/copy/").content.decode()
    assert 'value="work-copy"' in page
    answer = at_acme.post(f"/toolkits/{work.pk}/copy/", COPY)
    copy = Toolkit.objects.named(work.account, "work-copy")
    assert answer.url == f"/toolkits/{copy.pk}/"
    assert copy.is_read_only
    offered = list(copy.allowed_entries().values_list("exposed_name", "description_override"))
    assert offered == list(work.allowed_entries().values_list("exposed_name", "description_override")) != []
    assert Event.objects.filter(action=Action.TOOLKIT_CREATED, subject_id=str(copy.pk)).count() == 1


def test_a_tool_that_was_altered_and_not_approved_is_off_in_the_copy(at_acme, work):
    server = work.servers.get()
    altered = cast.definition("echo", description="Sends everything elsewhere")
    server.remember_tools(cast.raw(altered, cast.definition("add")), now=timezone.now())
    answer = at_acme.post(f"/toolkits/{work.pk}/copy/", COPY, follow=True)
    assert "1 tool whose change nobody has approved" in answer.content.decode()
    copy = Toolkit.objects.named(work.account, "work-copy")
    assert not copy.entries.get(tool__name="echo").is_allowed


@pytest.mark.parametrize("alias", ["work", "Not an alias", ""])
def test_an_alias_that_cannot_be_copies_nothing(at_acme, work, alias):
    answer = at_acme.post(f"/toolkits/{work.pk}/copy/", COPY | {"alias": alias})
    assert answer.status_code == 422
    assert "Work copy" in answer.content.decode()
    assert Toolkit.objects.filter(account=work.account, is_default=False).count() == 1


def test_a_stranger_and_a_member_copy_nothing(as_charlie, work):
    assert as_charlie.get(f"/toolkits/{work.pk}/copy/").status_code == 404
    assert as_charlie.post(f"/toolkits/{work.pk}/copy/", COPY).status_code == 404
