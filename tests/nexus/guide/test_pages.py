"""The pages of the guide: whole, quiet, the same for everybody, and with the person's toolkit where they have one."""

import re
from html import unescape

import pytest

from nexus.guide import chapters, markdown
from tests import cast
from tests.security.pages import browser
from tokens import clients

pytestmark = [pytest.mark.django_db(databases="__all__")]
PATHS = ["/guide/", "/guide/?q=token", *(f"/guide/{slug}/" for _, slugs in chapters.GROUPS for slug in slugs)]
OPEN = [path for path in PATHS if path != "/guide/webhooks/"]


def text(answer) -> str:
    return unescape(answer.content.decode())


@pytest.mark.parametrize("path", [*OPEN, "/guide/clients/n8n/", "/guide/clients/claude-code/"])
def test_every_page_is_whole_for_whoever_is_signed_in_and_whoever_is_not(path, client, alice, acme):
    for page in (client.get(path), browser(alice).get(path)):
        said = page.content.decode()
        assert page.status_code == 200
        assert len(re.findall(r"<h1", said)) == 1
        assert re.search(r"<title>[^<]+· Nexus</title>", said)
        ids = re.findall(r'\sid="([^"]+)"', said)
        assert len(ids) == len(set(ids))
        assert not re.search(r'(?:src|href)="(?:https?:)?//|<style|\sstyle=|\son[a-z]+=|javascript:', said)
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", said))
        assert "unsafe" not in page["Content-Security-Policy"]
    assert page["Cache-Control"] == "no-store"


def test_signed_out_it_names_nobody_and_asks_the_database_nothing(client, alice, acme, work, django_assert_num_queries):
    client.get("/guide/clients/n8n/")  # what is read once
    with django_assert_num_queries(0):
        page = text(client.get("/guide/clients/n8n/"))
        client.get("/guide/troubleshooting/")
        client.get("/guide/?q=expired")
    assert "Acme" not in page
    assert str(acme.pk) not in page
    assert "/hub/mcp" in page
    assert "Sign in" in page


def test_every_client_has_a_page_with_all_its_set_ups(client):
    for slug, each in clients.every().items():
        page = client.get(f"/guide/clients/{slug}/")
        assert page.status_code == 200, slug
        assert "\ue000" not in text(page), slug
        for set_up in each.set_ups:
            assert set_up.label in text(page), slug


def test_a_client_is_set_up_with_a_toolkit_of_the_person(alice, acme, work):
    alices = browser(alice)
    alices.post("/settings/account/", {"account": str(acme.pk)})
    assert f"accountId={acme.pk}&profile=work" in text(alices.get("/guide/clients/claude-code/"))


def test_the_toolkit_of_another_account_is_in_nobodys_guide(charlie, acme, work):
    assert str(acme.pk) not in text(browser(charlie).get("/guide/clients/claude-code/"))


@pytest.mark.parametrize("path", ["/guide/nothing/", "/guide/clients/nothing/", "/guide/tokens", "/guide/../README/"])
def test_what_is_not_there_is_not_found(path, client):
    assert client.get(path).status_code in (301, 404)


@pytest.mark.parametrize("path", [path for path in OPEN if path != "/guide/check/"])
def test_nothing_is_posted_to_a_page(path, client):
    assert client.post(path).status_code == 405


def test_pages_lead_from_the_first_to_the_last():
    order = list(chapters.every())
    assert [chapters.neighbours(chapter.slug)[0] for chapter in order] == [None, *order[:-1]]
    assert [chapters.neighbours(chapter.slug)[1] for chapter in order] == [*order[1:], None]


@pytest.mark.parametrize(
    ("asked", "first"),
    [("expired", "/guide/troubleshooting/#expired"), ("n8n", "/guide/clients/n8n/"), ("overlap", "/guide/rotating/#overlap"),
     ("content type 415", "/guide/troubleshooting/#content-type"), ("NEXUS_TRUSTED_PROXIES", "/guide/")],
)  # fmt: skip
def test_the_search_finds_the_place(asked, first, client):
    page = text(client.get("/guide/", {"q": asked}))
    assert re.search(r'<ol class="guide-hits"><li><a href="([^"]+)"', page)[1].startswith(first)


@pytest.mark.parametrize(
    "asked", ["", "   ", "zzzzzz", "<script>alert(1)</script>", "(", "\\", "a" * 5000, "\0x", "token " * 40]
)
def test_the_search_takes_anything(asked, client):
    page = client.get("/guide/", {"q": asked})
    assert page.status_code in (200, 400)
    assert b"<script>alert" not in page.content


def test_what_is_found_is_marked_and_nothing_of_it_is_html(client):
    page = client.get("/guide/", {"q": "bearer nxs_"}).content.decode()
    assert "<mark>Bearer</mark>" in page
    assert not re.search(r"<mark>[^<]*<(?!/mark)", page)


def test_the_guide_takes_no_html_from_its_files():
    document = markdown.read("# A\n\nB\n\n<script>x</script>\n\n## C\n\n[d](javascript:x)\n", "test")
    said = "".join(section.html for section in document.sections)
    assert "<script>" not in said
    assert "href" not in said


def test_tables_fold_and_code_can_be_copied():
    document = markdown.read('# A\n\nB\n\n| X | "Y" |\n|---|---|\n| 1 | `2` |\n\n```sh List\nls\n```\n', "test")
    said = document.sections[0].html
    assert '<th scope="row">1</th><td data-label="&quot;Y&quot;"><div><code>2</code></div></td>' in said
    assert 'data-copy="test-1"' in said


def test_whoever_belongs_to_no_account_still_reads_it(db):
    assert browser(cast.make_user("Nobody")).get("/guide/clients/n8n/").status_code == 200
