"""Row 69: what a server says of itself is bounded, and inert on every page and in logs; clients get it unchanged."""

import json

import pytest

from profiles.models import Server
from profiles.upstream import discovery
from tests import cast
from tests.cast import definition
from tests.security.conftest import EVERYTHING
from tests.security.pages import browser

pytestmark = EVERYTHING

MARKUP = "<img src=x onerror=alert(1)></script><svg/onload=alert(1)>{{7*7}}{% csrf_token %}javascript:alert(1)\"'"
UNSEEN = "\x1b[31mred\x1b]0;title\x07\x9b2J\u202egnp.exe\u2066\u200b\u200f\U000e0041\ufeff\x08\x7f"
HOSTILE = f"{MARKUP} {UNSEEN}"
INERT = "&lt;img src=x onerror=alert(1)&gt;"
NUMBER_OF_TOOLS = 20


def hostile_tools():
    described = definition("echo", description=HOSTILE, title=HOSTILE, annotations={"title": HOSTILE})
    described["inputSchema"] = {
        "type": "object",
        "properties": {HOSTILE: {"description": HOSTILE, "pattern": "(a+)+$"}},
    }
    return [described, *(definition(f"t{number}", description="x" * 100_000) for number in range(NUMBER_OF_TOOLS))]


def assert_seen(text):
    for character in UNSEEN:
        assert character.isprintable() or character not in text, hex(ord(character))


def assert_inert(text):
    assert_seen(text)
    assert "<img src=x" not in text
    assert "<svg/onload" not in text
    assert "</script><svg" not in text


@pytest.fixture
def alices(scene):
    client = browser(scene.alice)
    client.post("/settings/account/", {"account": str(scene.acme.pk)})
    return client


def pages_about(scene, server):
    work = f"/toolkits/{scene.work.pk}/"
    return [
        "/",
        "/servers/",
        f"/servers/{server.pk}/",
        work,
        "/toolkits/",
        f"{work}edit/",
        "/install/",
        "/activity/",
        "/tokens/",
    ]


def test_descriptions_are_inert_and_bounded_on_every_page_of_the_portal(scene, alices):
    scene.upstream.tools = hostile_tools()
    looked = alices.post("/servers/add/", {"url": scene.upstream.url, "name": "Hostile"})
    assert looked.status_code == 200
    assert INERT in looked.content.decode()
    assert_inert(looked.content.decode())
    saved = alices.post("/servers/add/", {"url": scene.upstream.url, "name": "Hostile", "slug": "bad", "save": "1"})
    server = Server.objects.get(slug="bad")
    assert saved.url == f"/servers/{server.pk}/"
    scene.work.add_server(server, allowed=["echo"], by=cast.OPERATOR, now=server.listed_at)
    for address in pages_about(scene, server):
        page = alices.get(address)
        assert page.status_code == 200, address
        assert_inert(page.content.decode())
        assert len(page.content) < NUMBER_OF_TOOLS * 12_000, address
    scene.upstream.tools = [definition("echo"), definition("add")]


def test_descriptions_are_inert_in_the_admin(scene):
    server = cast.make_server("hostile", url=scene.upstream.url)
    server.remember_tools(cast.raw(*hostile_tools()), now=server.listed_at)
    server.remember_failure(discovery.sentence(server, discovery.UpstreamError(HOSTILE)), now=server.listed_at)
    staff = browser(cast.make_user("Sam", is_staff=True))
    for address in ("", f"{server.pk}/change/", f"{server.pk}/history/"):
        page = staff.get(f"/admin/profiles/server/{address}", follow=True)
        assert page.status_code == 200
        assert_inert(page.content.decode())


NAMES = [
    "",
    "a\x1b[31m",
    "a\u202eb",
    "a\u200bb",
    "a\nb",
    "a\0b",
    "x" * 201,
    "x" * 1_000_000,
    "\ufeffecho",
    " \u2066",
    7,
    None,
    ["a"],
    {},
]


@pytest.mark.parametrize("name", NAMES, ids=[f"{name!r:.20}" for name in NAMES])
def test_a_name_that_could_deceive_is_refused_in_words_that_cannot(scene, alices, name):
    scene.upstream.tools = [{**definition("echo"), "name": name}]
    page = alices.post("/servers/add/", {"url": scene.upstream.url, "name": "Hostile", "save": "1"})
    scene.upstream.tools = [definition("echo"), definition("add")]
    assert page.status_code == 422
    assert "with a name that cannot be used" in page.content.decode()
    assert_inert(page.content.decode())
    assert len(page.content) < 20_000
    assert not Server.objects.filter(name="Hostile").exists()


TOO_MUCH = {
    "a description of 1 MB": [definition("echo", description="x" * 1_000_000)],
    "a schema of 1 MB": [definition("echo", inputSchema={"type": "object", "x": ["y"] * 300_000})],
    "nine MB in all": [definition(f"t{number}", description="x" * 120_000) for number in range(80)],
    "what is nested too deeply": None,
}


@pytest.mark.parametrize("tools", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_too_much_is_refused_and_nothing_is_saved(scene, alices, tools):
    nested = [definition("echo", inputSchema=json.loads('{"a":' * 900 + "1" + "}" * 900))]
    scene.upstream.tools = tools or nested
    page = alices.post("/servers/add/", {"url": scene.upstream.url, "name": "Hostile", "save": "1"})
    scene.upstream.tools = [definition("echo"), definition("add")]
    assert page.status_code in (422, 302)
    assert len(page.content) < 20_000
    assert Server.objects.filter(name="Hostile").exists() is (page.status_code == 302)


def test_an_error_of_a_server_is_inert_on_pages_and_in_the_log(scene, alices, caplog):
    caplog.set_level("INFO")
    scene.upstream.mode = "refuse"
    scene.upstream.refusal = {"code": -32000, "message": HOSTILE + "x" * 1_000_000, "data": HOSTILE}
    looked = alices.post("/servers/add/", {"url": scene.upstream.url, "name": "Hostile"})
    assert looked.status_code == 422
    server = scene.work.servers.get()
    for page in (
        looked,
        alices.post(f"/servers/{server.pk}/list/", follow=True),
        *map(alices.get, pages_about(scene, server)),
    ):
        assert_inert(page.content.decode())
        assert len(page.content) < 100_000
    answer = scene.live.call(scene.issued)
    assert answer.status_code == 200
    assert len(answer.content) < 5000
    for text in (answer.text, caplog.text, scene.live.log):
        assert_seen(text)


def test_a_client_gets_the_words_of_the_server_unchanged(scene):
    scene.upstream.tools = hostile_tools()[:1]
    scene.live.call(scene.issued)
    listed = scene.live.call(scene.issued).json()["result"]["tools"]
    assert [tool["description"] for tool in listed if tool["name"] == "echo__echo"] == [HOSTILE]
    scene.upstream.mode = "refuse"
    scene.upstream.refusal = {"code": -32000, "message": HOSTILE, "data": {"kept": HOSTILE}}
    assert scene.live.tool(scene.issued, "echo__echo").json()["error"] == scene.upstream.refusal
    scene.upstream.tools = [definition("echo"), definition("add")]


def test_what_a_client_names_is_inert_in_activity(scene, alices):
    scene.live.tool(scene.issued, f"echo__{HOSTILE}", headers={"User-Agent": MARKUP})
    for address in ("/activity/", f"/tokens/{scene.issued.token.public_id}/", "/"):
        page = alices.get(address).content.decode()
        assert_inert(page)
    assert_seen(scene.live.log)
