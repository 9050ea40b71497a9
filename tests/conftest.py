import os

import pytest
from django.core.management.commands import flush
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.operations import DatabaseOperations

from profiles.models import Account, Toolkit, User
from tests import cast
from tokens.models import Authority
from tokens.oauth import failures


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix):
    """Let the database of the tests be a copy of one that is migrated (see tests/servers.py)."""
    if template := os.environ.get("NEXUS_TEST_TEMPLATE"):
        connections["default"].settings_dict["TEST"]["TEMPLATE"] = template


@pytest.fixture(scope="session")
def django_db_keepdb():
    """Leave the database to the end of its cluster: a process of a test may hold a connection still."""
    return "NEXUS_TEST_TEMPLATE" in os.environ


KEPT = ("django_content_type", "auth_permission")  # what migrations put there, and no test changes


def _deletions(operations, style, tables, **options):
    """Return what empties the tables in a fifth of the time of TRUNCATE, and waits for no live hub."""
    deletions = "".join(f"DELETE FROM {operations.quote_name(table)};" for table in tables if table not in KEPT)
    return [f"DO $$ BEGIN SET LOCAL session_replication_role = replica; {deletions} END $$"]


def _begin_anew(verbosity, interactive, db, **options):
    if db == DEFAULT_DB_ALIAS:
        Authority.objects.get_or_create(pk=1)


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly():
    """Between tests that commit, empty the tables without all that Django does after migrations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", _deletions)
        patch.setattr(flush, "emit_post_migrate_signal", _begin_anew)
        yield


@pytest.fixture(autouse=True)
def _fast_and_quiet(settings, tmp_path):
    failures.forget()
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise warns where it is not there
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", "tokens.hashers.MachineSecretHasher"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.CACHES = {
        name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": f"{tmp_path}/{name}"}
        for name in ("default", "rates")
    }
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def alice(db) -> User:
    """Owns Acme."""
    return cast.make_user("Alice")


@pytest.fixture
def bob(db) -> User:
    """Is a member of Acme."""
    return cast.make_user("Bob")


@pytest.fixture
def charlie(db) -> User:
    """Must see nothing of Acme."""
    return cast.make_user("Charlie")


@pytest.fixture
def acme(alice, bob) -> Account:
    return cast.make_account("Acme", owner=alice, member=bob)


@pytest.fixture
def work(acme) -> Toolkit:
    """Acme's toolkit: of the server echo, the tool echo is allowed and add is not."""
    return cast.make_toolkit(acme, "work", cast.make_server(), allowed=["echo"])
