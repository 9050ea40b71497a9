import pytest

from profiles.models import Account, Toolkit, User
from tests import cast


@pytest.fixture(autouse=True)
def _fast_and_quiet(settings, tmp_path):
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # whitenoise warns where it is not there
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", "tokens.hashers.MachineSecretHasher"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": str(tmp_path)}
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
