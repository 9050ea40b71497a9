from tests.security.conftest import live, live_process  # noqa: F401
