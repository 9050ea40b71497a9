import io
import ipaddress
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from profiles.models import Event, Server, SignInLink, Toolkit
from tests import cast
from tests.upstreams import running_sdk_server
from tokens import keys
from tokens.models import DelegatedToken, Reminder

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.sqlite]


def run(*arguments, **options):
    """Return what the command wrote to standard output and to standard error."""
    stdout, stderr = io.StringIO(), io.StringIO()
    call_command(*arguments, stdout=stdout, stderr=stderr, **options)
    return stdout.getvalue(), stderr.getvalue()


@pytest.fixture
def admin(settings, alice):
    settings.NEXUS_ADMIN_EMAIL = alice.email
    return alice


def test_issue_token_prints_the_secret_alone(alice, work):
    stdout, stderr = run("issue_token", "alice@example.com", "work", name="n8n", days="7")
    assert keys.kind_of(stdout.strip()) is keys.Kind.DELEGATED
    assert stdout.count("\n") == 1
    token = DelegatedToken.objects.get()
    assert token.digest == keys.digest(stdout.strip())
    assert token.expires_at - token.issued_at == timedelta(days=7)
    assert token.masked in stderr
    assert stdout.strip() not in stderr


def test_the_event_of_an_issued_token_says_that_an_operator_did_it(alice, work):
    run("issue_token", "alice@example.com", "work", name="n8n", days="1")
    event = Event.objects.get(action="token.issued")
    assert (event.actor_kind, event.actor_label) == ("operator", "operator (issue_token)")


@pytest.mark.parametrize("days", ["30.9", "0", "31", "-1", "thirty", "", "9999999999999", "٣"])
def test_issue_token_refuses_days_and_names_the_limit(alice, work, days):
    with pytest.raises(CommandError, match="1 to 30"):
        run("issue_token", "alice@example.com", "work", name="n8n", days=days)
    assert not DelegatedToken.objects.exists()


def test_issue_token_refuses_who_may_not_use_the_toolkit(charlie, work):
    with pytest.raises(CommandError, match="may use no toolkit"):
        run("issue_token", "charlie@example.com", "work", name="n8n", days="1")


def test_issue_token_asks_for_the_account_where_the_alias_means_two_toolkits(alice, work):
    cast.make_toolkit(alice.personal_account, "work")
    with pytest.raises(CommandError, match="--account"):
        run("issue_token", "alice@example.com", "work", name="n8n", days="1")
    run("issue_token", "alice@example.com", "work", name="n8n", days="1", account=str(work.account_id))
    assert DelegatedToken.objects.get().toolkit == work


def test_issue_token_refuses_a_name_that_is_taken(alice, work):
    cast.make_token(alice, work, "n8n")
    with pytest.raises(CommandError, match="already called"):
        run("issue_token", "alice@example.com", "work", name="N8N", days="1")


def test_revoke_token_ends_it_with_a_reason(alice, work):
    token = cast.make_token(alice, work).token
    stdout, _ = run("revoke_token", token.public_id, reason="seen in a log")
    token.refresh_from_db()
    assert (token.stage, token.revoke_reason, token.revoke_note) == ("ended", "other", "seen in a log")
    assert "is revoked" in stdout


def test_revoke_token_takes_the_token_as_pages_show_it(alice, work):
    token = cast.make_token(alice, work).token
    run("revoke_token", token.masked, reason="leaked")
    token.refresh_from_db()
    assert token.revoke_reason == "leaked"


def test_revoke_token_says_when_there_is_nothing_to_revoke(alice, work):
    with pytest.raises(CommandError, match="There is no token"):
        run("revoke_token", "abcdefghijkl")
    token = cast.make_token(alice, work).token
    run("revoke_token", token.public_id)
    with pytest.raises(CommandError, match="had ended already"):
        run("revoke_token", token.public_id)


def test_add_toolkit_makes_one_for_the_first_account(admin):
    stdout, _ = run("add_toolkit", "team-support")
    toolkit = Toolkit.objects.get(alias="team-support")
    assert toolkit.account == admin.personal_account
    assert stdout.strip().endswith(f"/hub/mcp?accountId={toolkit.account_id}&profile=team-support")


def test_add_toolkit_can_take_plain_names_and_another_account(admin, acme):
    run("add_toolkit", "plain", account="Acme", plain_names=True)
    toolkit = Toolkit.objects.get(alias="plain")
    assert (toolkit.account, toolkit.naming) == (acme, Toolkit.Naming.PLAIN)


@pytest.mark.parametrize("alias", ["Upper", "with space", "-", "a" * 41, ""])
def test_add_toolkit_refuses_a_bad_alias_in_one_line(admin, alias):
    with pytest.raises(CommandError) as refusal:
        run("add_toolkit", alias)
    assert "\n" not in str(refusal.value)
    assert not Toolkit.objects.filter(is_default=False).exists()


def test_add_toolkit_refuses_an_account_that_is_not_there(admin):
    for account in ("Nobody Ltd", "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(CommandError, match="No account"):
            run("add_toolkit", "x", account=account)


def test_sign_in_link_prints_a_link_of_which_only_the_digest_is_kept(alice):
    stdout, _ = run("sign_in_link", "ALICE@example.com")
    secret = stdout.strip().rstrip("/").rpartition("/")[2]
    assert SignInLink.objects.good(secret, now=timezone.now()).user == alice
    assert secret not in str(SignInLink.objects.values_list().get())


def test_sign_in_link_refuses_who_is_disabled_or_unknown(alice):
    alice.is_active = False
    alice.save()
    for email in ("alice@example.com", "nobody@example.com"):
        with pytest.raises(CommandError):
            run("sign_in_link", email)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/mcp",
        "http://169.254.169.254/latest/meta-data",
        "http://10.1.2.3/mcp",
        "ftp://example.com/",
        "nonsense",
        "http://user:secret@example.com/mcp",
    ],
)
def test_add_server_refuses_what_does_not_answer_and_saves_nothing(admin, url):
    with pytest.raises(CommandError) as refusal:
        run("add_server", "echo", url)
    assert "\n" not in str(refusal.value)
    assert not Server.objects.exists()


@pytest.fixture
def upstream(settings):
    settings.NEXUS_ALLOWED_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    with running_sdk_server() as url:
        yield url


def test_add_server_puts_it_into_the_catalog_with_the_tools_it_lists(admin, upstream):
    stdout, _ = run("add_server", "echo", upstream, name="Echo")
    server = Server.objects.get()
    assert (server.account, server.slug, server.name) == (None, "echo", "Echo")
    assert {"echo", "add"} <= set(server.tools.values_list("name", flat=True))
    assert "is in the catalog, with 5 tools" in stdout
    assert Event.objects.get(action="server.added").actor_kind == "operator"


def test_add_server_can_allow_all_its_tools_in_a_toolkit(admin, upstream):
    run("add_toolkit", "work")
    run("add_server", "echo", upstream, toolkit="work")
    allowed = Toolkit.objects.get(alias="work").entries.filter(is_allowed=True)
    assert {"echo__echo", "echo__add"} <= set(allowed.values_list("exposed_name", flat=True))


@pytest.mark.parametrize("slug", ["echo", "Upper", "1st", "a" * 17, "with space"])
def test_add_server_refuses_a_taken_or_bad_slug_in_one_line(admin, upstream, slug):
    run("add_server", "echo", upstream)
    with pytest.raises(CommandError) as refusal:
        run("add_server", slug, upstream)
    assert "\n" not in str(refusal.value)
    assert Server.objects.count() == 1


def test_add_server_refuses_a_toolkit_that_is_not_there_before_it_asks_the_server(admin):
    with pytest.raises(CommandError, match="has no toolkit"):
        run("add_server", "echo", "http://127.0.0.1:1/mcp", toolkit="nope")


TIDIED = "OAuth codes, tokens and sessions deleted: 0, clients forgotten: 0\n"


def test_sweep_tokens_ends_what_is_over(alice, work):
    now = timezone.now()
    cast.make_token(alice, work, life=timedelta(days=1), now=now - timedelta(days=2))
    assert run("sweep_tokens")[0] == "Tokens ended: 1, paused because unused: 0\n" + TIDIED
    assert run("sweep_tokens")[0] == "Tokens ended: 0, paused because unused: 0\n" + TIDIED


def test_send_reminders_sends_each_once(alice, work, mailoutbox):
    now = timezone.now()
    cast.make_token(alice, work, life=timedelta(days=7), now=now - timedelta(days=6, hours=2))
    first, second = run("send_reminders")[0], run("send_reminders")[0]
    assert first == "Reminders: 1, skipped: 1, mails sent: 1, mails failed: 0, mails unknown: 0\n"
    assert second == "Reminders: 0, skipped: 0, mails sent: 0, mails failed: 0, mails unknown: 0\n"
    assert len(mailoutbox) == Reminder.objects.filter(state="handed_over").count() == 1
