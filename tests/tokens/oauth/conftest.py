import pytest

from tests import cast
from tests.security.conftest import live, live_process  # noqa: F401
from tests.tokens.oauth.flow import Program, make_code


@pytest.fixture
def claude(db):
    """A public client that registered itself."""
    return cast.make_application()


@pytest.fixture
def program(claude) -> Program:
    return Program(claude)


@pytest.fixture
def signed_in(alice, work, claude, program):
    """What the client got for the code of Alice's sign-in."""

    return program.redeem(make_code(alice, work, claude)).json()
