"""Row 1: after a whole run, no table, file, queue, mail, log or Redis key holds a secret."""

import os
import pathlib
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from profiles.models import SignInLink
from tests import cast
from tests.security.conftest import EVERYTHING
from tests.security.pages import browser, install
from tokens import keys, reminding
from tokens.models import DelegatedToken

pytestmark = [EVERYTHING, pytest.mark.sqlite]


def rows_of_every_table():
    for alias in connections:
        connection = connections[alias]
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                for row in cursor.fetchall():
                    yield (
                        f"{alias}.{table}",
                        repr([bytes(part) if isinstance(part, memoryview) else part for part in row]),
                    )


def files_under(*folders: pathlib.Path):
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and "static" not in path.parts and "keys" not in path.parts:
                yield str(path), path.read_bytes().decode("latin-1")


def redis_values():
    if not settings.REDIS_URL:
        return
    with redis.from_url(settings.REDIS_URL) as client:
        for key in client.scan_iter(count=1000):
            yield f"redis {key!r}", repr((key, client.dump(key)))


def test_a_whole_run_leaves_no_secret_anywhere(scene, mailoutbox, capsys, caplog):
    secrets = [scene.secret]
    client = browser(scene.alice)
    shown = keys.ANYWHERE.search(install(client, scene.work, name="page").content.decode())
    assert shown
    secrets.append(shown[0])
    call_command("issue_token", scene.alice.email, "work", "--name=shell", "--days=1")
    secrets.append(capsys.readouterr().out.strip())
    link = SignInLink.objects.make(scene.bob, by=cast.OPERATOR, now=timezone.now())
    browser().post(f"/accounts/link/{link}/")
    use(scene, client, secrets)
    parts = [secret[17:] for secret in secrets] + [secret[17:37] for secret in secrets] + [link, cast.PASSWORD]
    places = [*rows_of_every_table(), *files_under(scene.live.folder, settings.NEXUS_DATA_DIR), *redis_values()]
    places += [("mail", mail.message().as_string()) for mail in mailoutbox] + [("log", caplog.text)]
    assert len(places) > 40
    assert mailoutbox
    for place, text in places:
        assert not keys.ANYWHERE.search(text), place
        assert not [part for part in parts if part in text], place


def use(scene, client, secrets):
    """Call, be refused, misuse, remind, revoke: all that writes something."""
    for secret in secrets:
        scene.live.tool(secret, "echo__echo", {"text": "hi"})
        scene.live.tool(secret, "echo__add")
        scene.live.call(secret, url="/hub/mcp?profile=sales")
        scene.live.request("GET", f"/hub/mcp?access_token={secret}")
        scene.live.request("GET", f"/tokens/{secret}/")
        scene.live.call(secret[:-1] + "x")
        client.get("/tokens/", {"q": secret})
    token = DelegatedToken.objects.get(name="page")
    reminding.send_due(token.expires_at - timedelta(hours=2))
    for token in DelegatedToken.objects.all():
        token.revoke(by=cast.OPERATOR, reason="leaked", now=timezone.now())
    for secret in secrets:
        assert scene.live.tool(secret, "echo__echo").status_code == 401


def test_the_data_folder_is_for_its_owner_alone(scene):
    assert os.stat(scene.live.folder).st_mode & 0o077 == 0
