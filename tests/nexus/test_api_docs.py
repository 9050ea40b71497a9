"""The page that explains the REST API; its first steps are run as they stand."""

import re
import shutil
import subprocess

import pytest

from nexus import api_docs
from tests import cast
from tests.security.pages import browser

pytestmark = [pytest.mark.django_db(databases="__all__")]


def test_every_operation_is_there_with_a_command(alice, acme):
    page = browser(alice).get("/api/v1/docs")
    assert page.status_code == 200
    text = page.content.decode()
    for operation in api_docs.operations():
        assert f'id="{operation.name}"' in text
        assert operation.curl.startswith("curl -s ")
    assert "<script>" not in text
    assert " style=" not in text


def test_who_is_not_signed_in_is_sent_to_sign_in(client):
    assert client.get("/api/v1/docs").status_code == 302
    assert client.post("/api/v1/docs").status_code in (302, 405)


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this machine")
def test_the_first_steps_run_as_they_stand(live_server, alice, acme, work):
    _, secret = cast.make_key(alice, acme, ["tokens:issue", "tokens:read"])
    steps = api_docs.first_steps(f"{live_server.url}/api/v1", "work")
    script = "\necho\n".join(text for _, _, text in steps).replace("$(uuidgen)", "0b6f2c1e")
    ran = subprocess.run(
        ["bash", "-c", script], env={"NEXUS_KEY": secret, "PATH": "/usr/bin:/bin"}, capture_output=True, timeout=60
    )
    me, issued, listed = (line for line in ran.stdout.decode().split("\n") if line)
    assert "alice@example.com" in me
    assert re.search(r'"token":"nxs_', issued)
    assert '"name":"first try"' in listed


def test_commands_can_be_read_by_a_shell():
    commands = "\n".join(operation.curl for operation in api_docs.operations())
    checked = subprocess.run(["bash", "-n", "-c", commands], capture_output=True, timeout=20)
    assert (checked.returncode, checked.stderr) == (0, b"")
