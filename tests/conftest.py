import psycopg
import pytest
from django.db import OperationalError
from django.db.backends.postgresql.operations import DatabaseOperations

from profiles.models import Account, Toolkit, User
from tests import cast
from tokens.oauth import failures


@pytest.fixture(scope="session", autouse=True)
def _empty_beside_a_live_hub():
    """Empty the tables again where PostgreSQL chose us to end a deadlock: a live hub renews its lease meanwhile."""
    once = DatabaseOperations.execute_sql_flush

    def until_done(operations, statements):
        while True:
            try:
                return once(operations, statements)
            except OperationalError as error:
                if not isinstance(error.__cause__, psycopg.errors.DeadlockDetected):
                    raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", until_done)
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
