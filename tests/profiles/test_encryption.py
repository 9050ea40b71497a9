import io
import secrets

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from profiles import encryption
from profiles.encryption import Unreadable
from profiles.models import Authorization, Grant
from tests import cast


def new_key() -> str:
    return secrets.token_urlsafe(48)


@given(st.text(), st.text(max_size=50))
def test_what_was_encrypted_for_a_place_is_read_there_and_nowhere_else(secret, place):
    sealed = encryption.encrypt(secret, place)
    assert encryption.decrypt(sealed, place) == secret
    with pytest.raises(Unreadable):
        encryption.decrypt(sealed, place + "x")


@given(st.text())
def test_no_text_breaks_reading(text):
    with pytest.raises(Unreadable):
        encryption.decrypt(text, "place")


def test_an_altered_ciphertext_is_refused():
    sealed = encryption.encrypt("secret", "place")
    for position in range(len(sealed)):
        other = "A" if sealed[position] != "A" else "B"
        with pytest.raises(Unreadable):
            encryption.decrypt(sealed[:position] + other + sealed[position + 1 :], "place")


def test_the_same_secret_looks_different_each_time():
    assert encryption.encrypt("secret", "place") != encryption.encrypt("secret", "place")


def test_an_older_key_still_reads_and_the_newest_writes(settings):
    old, new = new_key(), new_key()
    settings.NEXUS_FIELD_KEYS = [old]
    sealed = encryption.encrypt("secret", "place")
    settings.NEXUS_FIELD_KEYS = [new, old]
    assert encryption.decrypt(sealed, "place") == "secret"
    assert not encryption.is_current(sealed)
    assert encryption.is_current(encryption.encrypt("secret", "place"))
    settings.NEXUS_FIELD_KEYS = [new]
    with pytest.raises(Unreadable, match="an older key is missing"):
        encryption.decrypt(sealed, "place")


@pytest.fixture
def stored(acme, alice):
    """An authorization, and a server with a client secret, under the keys of now."""
    server = cast.make_server("notes", account=acme)
    server.sign_in_by(
        "oauth", oauth_client_id="nexus", client_secret="client-secret", by=cast.OPERATOR, now=timezone.now()
    )
    grant = Grant("access-secret", "refresh-secret")
    return Authorization.objects.connect(server, acme, alice, grant, by=cast.OPERATOR, now=timezone.now())


def rotate() -> str:
    out = io.StringIO()
    call_command("rotate_field_keys", stdout=out)
    return out.getvalue()


@pytest.mark.sqlite
def test_after_a_rotation_the_older_key_is_needed_no_longer(settings, stored):
    settings.NEXUS_FIELD_KEYS = [new_key(), *settings.NEXUS_FIELD_KEYS]
    assert rotate().startswith("3 stored")
    assert rotate().startswith("0 stored")
    settings.NEXUS_FIELD_KEYS = settings.NEXUS_FIELD_KEYS[:1]
    found = Authorization.objects.select_related("server").get()
    assert (found.secret, found.refresh_token) == ("access-secret", "refresh-secret")
    assert found.server.oauth_client_secret == "client-secret"


def test_a_rotation_says_what_it_could_not_read_and_leaves_it(settings, stored):
    before = Authorization.objects.values_list("encrypted_secret", flat=True).get()
    settings.NEXUS_FIELD_KEYS = [new_key()]
    with pytest.raises(CommandError, match="3 cannot be read"):
        rotate()
    assert Authorization.objects.values_list("encrypted_secret", flat=True).get() == before


def test_a_ciphertext_that_is_moved_to_another_row_opens_nothing_there(stored, acme, bob):
    other = Authorization.objects.connect(
        stored.server, acme, bob, Grant("of-bob"), by=cast.OPERATOR, now=timezone.now()
    )
    Authorization.objects.filter(pk=other.pk).update(encrypted_secret=stored.encrypted_secret)
    other.refresh_from_db()
    with pytest.raises(Unreadable):
        _ = other.secret


@pytest.mark.sqlite
def test_no_table_has_a_secret_in_plain(stored):
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            text = repr(cursor.fetchall())
            assert not [part for part in ("access-secret", "refresh-secret", "client-secret") if part in text], table
